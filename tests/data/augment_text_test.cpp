#include <doctest/doctest.h>

#include "unfold/data/augment.h"
#include "unfold/error.h"
#include "unfold/files.h"

using namespace unfold;

TEST_CASE("as text, and back, in any order") {
  for (const char* text : {"none",
                           "flip",
                           "vflip",
                           "crop:4",
                           "resizedcrop",
                           "resizedcrop:0.2-1",
                           "resizedcrop:0.08-1:0.5-2",
                           "affine:15",
                           "affine:0:0.1",
                           "affine:10:0:0.9-1.1",
                           "affine:10:0.1:0.9-1.1:5.5",
                           "elastic",
                           "elastic:34:4",
                           "elastic:20",
                           "jitter:0.4",
                           "jitter:0.4:0.3:0.2",
                           "jitter:0.4:0.4:0.4:0.1",
                           "jitter:0:0:0:0.5",
                           "cutout:8",
                           "erase",
                           "erase:1",
                           "erase:0.5:0.1-0.2",
                           "erase:0.25:0.02-0.33:1-1",
                           "mixup",
                           "mixup:0.2",
                           "flip,crop:4,affine:15,jitter:0.4,cutout:8"}) {
    CAPTURE(text);
    CHECK(augmentation_text(augmentation_from(text)) == text);
  }
  const Augmentation all = augmentation_from(
      "flip,vflip,crop:3,resizedcrop:0.3-1,affine:20:0.1:0.8-1.2:10,elastic:40:3,jitter:0.4:0.3:0.2:0.1,"
      "cutout:3,"
      "erase,mixup:0.5");
  CHECK(augmentation_from(augmentation_text(all)) == all);
  CHECK(augmentation_from("cutout:4,flip") == Augmentation{.flip = true, .cutout = 4});
  CHECK(augmentation_from("jitter:0.4").jitter == Augmentation::Jitter{0.4, 0.4, 0.4, 0});
  CHECK(augmentation_from("resizedcrop").resized_crop->scale == Augmentation::Range{0.08, 1});
}

TEST_CASE("what is no augmentation is refused, with what was meant") {
  const auto refusal = [](const std::string& text) {
    try {
      augmentation_from(text);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::usage);
      return std::string(e.what()) + " | " + e.hint();
    }
    return std::string("not refused");
  };
  for (const char* bad : {"flop",
                          "cutout",
                          "cutout:",
                          "cutout:0",
                          "cutout:-3",
                          "cutout:4x",
                          "cutout:4.5",
                          "cutout:99999",
                          "flip;",
                          "flip cutout:3",
                          "",
                          "flip,",
                          ",flip",
                          "flip,flip",
                          "cutout:8,cutout:4",
                          "flip:1",
                          "crop:65",
                          "affine",
                          "affine:",
                          "affine:181",
                          "affine:nan",
                          "affine:10:2",
                          "affine:10:0:1.1",
                          "affine:10:0:1.1-0.9",
                          "affine:1:0:1-1:0:0",
                          "affine:10:0:0-1",
                          "resizedcrop:0.5",
                          "resizedcrop:0-1",
                          "resizedcrop:0.5-1:",
                          "elastic:-1",
                          "elastic:5:0",
                          "jitter",
                          "jitter:0.1:0.2",
                          "jitter:1:1:1:0.6",
                          "jitter:inf",
                          "erase:2",
                          "mixup:0",
                          "none,flip",
                          "affine:15::1"})
    CHECK_MESSAGE(refusal(bad) != "not refused", bad);
  CHECK(refusal("flp").find("did you mean 'flip'?") != std::string::npos);
  CHECK(refusal("flip,cutuot:3").find("did you mean 'cutout'?") != std::string::npos);
  CHECK(refusal("affine:200").find("DEGREES of 'affine' is out of range (wanted 0 to 180") !=
        std::string::npos);
  CHECK(refusal("flip:1").find("too many numbers for 'flip'") != std::string::npos);
  CHECK(augmentation_help().size() == 10);
}

TEST_CASE("docs/formats.md lists every augmentation as it is written") {
  const std::vector<std::byte> bytes =
      read_file(UNFOLD_TEST_DATA "/../../../docs/formats.md", ErrorKind::runtime);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const AugmentationHelp& help : augmentation_help())
    CHECK_MESSAGE(text.find("`" + help.syntax + "`") != std::string_view::npos, help.syntax);
}
