// Augmentations as people write them.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "unfold/data/augment.h"
#include "unfold/error.h"
#include "unfold/suggest.h"

namespace unfold {
namespace {

using Range = Augmentation::Range;

/// The numbers behind a name, "15:0.1:0.9-1.1", read one after the other.
class Arguments {
 public:
  Arguments(std::string_view name, std::string_view text) : name_(name), rest_(text) {}

  /// The next argument as a number of low to high; `missing` if there is none.
  double number(std::string_view what, double low, double high, double missing) {
    if (rest_.empty()) return missing;
    const double value = read(what);
    require(value >= low && value <= high, what, low, high);
    end_of_argument(what);
    return value;
  }
  /// The same, and it must be there.
  double number(std::string_view what, double low, double high) {
    if (rest_.empty()) refuse(what, low, high, "");
    return number(what, low, high, 0);
  }
  /// A whole number, which must be there.
  int64_t whole(std::string_view what, int64_t low, int64_t high) {
    const auto least = static_cast<double>(low), most = static_cast<double>(high);
    if (rest_.empty()) refuse(what, least, most, "");
    const double value = read(what);
    const auto result = static_cast<int64_t>(std::clamp(value, -1e9, 1e9));
    require(value >= least && value <= most && static_cast<double>(result) == value, what, least, most);
    end_of_argument(what);
    return result;
  }
  /// "LOW-HIGH", both of low to high.
  Range range(std::string_view what, double low, double high, Range missing) {
    if (rest_.empty()) return missing;
    Range range;
    range.low = read(what);
    if (!rest_.starts_with('-')) refuse(what, low, high, "one number", "LOW-HIGH, ");
    rest_.remove_prefix(1);
    range.high = read(what);
    require(range.low >= low && range.low <= range.high && range.high <= high, what, low, high);
    end_of_argument(what);
    return range;
  }
  bool more() const { return !rest_.empty(); }

 private:
  double read(std::string_view what) {
    double value = 0;
    const auto [stop, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (code != std::errc() || !std::isfinite(value)) {
      throw Error(ErrorKind::usage, std::string(what) + " of '" + std::string(name_) + "' is no number")
          .where("augmentation")
          .got(rest_);
    }
    rest_.remove_prefix(static_cast<size_t>(stop - rest_.data()));
    return value;
  }
  void end_of_argument(std::string_view what) {
    if (rest_.empty()) return;
    if (rest_[0] != ':' || rest_.size() == 1) {
      throw Error(ErrorKind::usage,
                  "there is more behind " + std::string(what) + " of '" + std::string(name_) + "'")
          .where("augmentation")
          .got(rest_);
    }
    rest_.remove_prefix(1);
  }
  void require(bool good, std::string_view what, double low, double high) {
    if (!good) refuse(what, low, high, "another number");
  }
  [[noreturn]] void refuse(std::string_view what, double low, double high, std::string_view got,
                           std::string_view form = "");

  std::string_view name_, rest_;
};

/// The shortest text that reads as the same number.
std::string text_of(double value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}
std::string text_of(const Range& range) {
  return text_of(range.low) + "-" + text_of(range.high);
}

void Arguments::refuse(std::string_view what, double low, double high, std::string_view got,
                       std::string_view form) {
  const std::string argument = std::string(what) + " of '" + std::string(name_) + "' ";
  throw Error(ErrorKind::usage, argument + (got.empty() ? "is missing" : "is out of range"))
      .where("augmentation")
      .wanted(std::string(form) + text_of(low) + " to " + text_of(high))
      .got(got);
}

/// One augmentation: how it is written, read and written again.
struct Kind {
  std::string_view name, arguments, purpose;
  bool (*on)(const Augmentation&);
  void (*read)(Arguments&, Augmentation&);
  std::string (*text)(const Augmentation&);  // behind the name
};

const std::array kKinds{
    Kind{"flip", "", "left and right exchanged, every second image",
         [](const Augmentation& a) { return a.flip; }, [](Arguments&, Augmentation& a) { a.flip = true; },
         [](const Augmentation&) { return std::string(); }},
    Kind{"vflip", "", "above and below exchanged, every second image",
         [](const Augmentation& a) { return a.vflip; }, [](Arguments&, Augmentation& a) { a.vflip = true; },
         [](const Augmentation&) { return std::string(); }},
    Kind{"crop", ":PIXELS", "moved by up to PIXELS each way, black comes in (RandomCrop with padding)",
         [](const Augmentation& a) { return a.crop > 0; },
         [](Arguments& in, Augmentation& a) { a.crop = in.whole("PIXELS", 1, 64); },
         [](const Augmentation& a) { return ":" + std::to_string(a.crop); }},
    Kind{"resizedcrop", "[:SCALE[:RATIO]]",
         "a part made large: SCALE of the area (0.08-1), RATIO of the sides (3/4-4/3)",
         [](const Augmentation& a) { return a.resized_crop.has_value(); },
         [](Arguments& in, Augmentation& a) {
           Augmentation::ResizedCrop& r = a.resized_crop.emplace();
           r.scale = in.range("SCALE", 1e-6, 1, r.scale);
           r.ratio = in.range("RATIO", 0.01, 100, r.ratio);
         },
         [](const Augmentation& a) {
           const Augmentation::ResizedCrop &r = *a.resized_crop, standard;
           if (r == standard) return std::string();
           return ":" + text_of(r.scale) + (r.ratio == standard.ratio ? "" : ":" + text_of(r.ratio));
         }},
    Kind{"affine", ":DEGREES[:TRANSLATE[:SCALE[:SHEAR]]]",
         "turned by up to DEGREES, moved by up to TRANSLATE of a side (0), scaled (1-1), sheared by up to "
         "SHEAR "
         "degrees (0)",
         [](const Augmentation& a) { return a.affine.has_value(); },
         [](Arguments& in, Augmentation& a) {
           Augmentation::Affine& f = a.affine.emplace();
           f.degrees = in.number("DEGREES", 0, 180);
           f.translate = in.number("TRANSLATE", 0, 1, 0);
           f.scale = in.range("SCALE", 0.01, 100, f.scale);
           f.shear = in.number("SHEAR", 0, 80, 0);
         },
         [](const Augmentation& a) {
           const Augmentation::Affine& f = *a.affine;
           std::string text = ":" + text_of(f.degrees);
           const bool shear = f.shear != 0, scale = shear || f.scale != Range{1, 1};
           if (scale || f.translate != 0) text += ":" + text_of(f.translate);
           if (scale) text += ":" + text_of(f.scale);
           if (shear) text += ":" + text_of(f.shear);
           return text;
         }},
    Kind{"elastic", "[:ALPHA[:SIGMA]]", "bent as if on rubber: strength (50), smoothness in pixels (5)",
         [](const Augmentation& a) { return a.elastic.has_value(); },
         [](Arguments& in, Augmentation& a) {
           Augmentation::Elastic& e = a.elastic.emplace();
           e.alpha = in.number("ALPHA", 0, 10000, e.alpha);
           e.sigma = in.number("SIGMA", 0.1, 100, e.sigma);
         },
         [](const Augmentation& a) {
           const Augmentation::Elastic &e = *a.elastic, standard;
           if (e == standard) return std::string();
           return ":" + text_of(e.alpha) + (e.sigma == standard.sigma ? "" : ":" + text_of(e.sigma));
         }},
    Kind{"jitter", ":BRIGHTNESS[:CONTRAST:SATURATION[:HUE]]",
         "colours changed by factors of 1 - B to 1 + B; one number is for all three; hue by up to HUE (0 to "
         "0.5)",
         [](const Augmentation& a) { return a.jitter.has_value(); },
         [](Arguments& in, Augmentation& a) {
           Augmentation::Jitter& j = a.jitter.emplace();
           j.brightness = j.contrast = j.saturation = in.number("BRIGHTNESS", 0, 10);
           if (!in.more()) return;
           j.contrast = in.number("CONTRAST", 0, 10);
           j.saturation = in.number("SATURATION", 0, 10);
           j.hue = in.number("HUE", 0, 0.5, 0);
         },
         [](const Augmentation& a) {
           const Augmentation::Jitter& j = *a.jitter;
           std::string text = ":" + text_of(j.brightness);
           if (j.hue != 0 || j.contrast != j.brightness || j.saturation != j.brightness)
             text += ":" + text_of(j.contrast) + ":" + text_of(j.saturation);
           return text + (j.hue != 0 ? ":" + text_of(j.hue) : "");
         }},
    Kind{"cutout", ":SIDE", "a square of SIDE pixels set to the mean",
         [](const Augmentation& a) { return a.cutout > 0; },
         [](Arguments& in, Augmentation& a) { a.cutout = in.whole("SIDE", 1, 4096); },
         [](const Augmentation& a) { return ":" + std::to_string(a.cutout); }},
    Kind{"erase", "[:PROBABILITY[:SCALE[:RATIO]]]",
         "a rectangle set to the mean, in every second image (0.5): SCALE of the area (0.02-0.33), RATIO of "
         "the "
         "sides (0.3-3.3)",
         [](const Augmentation& a) { return a.erase.has_value(); },
         [](Arguments& in, Augmentation& a) {
           Augmentation::Erase& e = a.erase.emplace();
           e.probability = in.number("PROBABILITY", 0, 1, e.probability);
           e.scale = in.range("SCALE", 1e-6, 1, e.scale);
           e.ratio = in.range("RATIO", 0.01, 100, e.ratio);
         },
         [](const Augmentation& a) {
           const Augmentation::Erase &e = *a.erase, standard;
           if (e == standard) return std::string();
           const bool ratio = e.ratio != standard.ratio, scale = ratio || e.scale != standard.scale;
           return ":" + text_of(e.probability) + (scale ? ":" + text_of(e.scale) : "") +
                  (ratio ? ":" + text_of(e.ratio) : "");
         }},
    Kind{"mixup", "[:ALPHA]",
         "mixed with another image, and so their labels: shares of Beta(ALPHA, ALPHA) (1)",
         [](const Augmentation& a) { return a.mixup > 0; },
         [](Arguments& in, Augmentation& a) { a.mixup = in.number("ALPHA", 0.01, 100, 1); },
         [](const Augmentation& a) { return a.mixup == 1 ? std::string() : ":" + text_of(a.mixup); }},
};

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

}  // namespace

Augmentation augmentation_from(std::string_view text) {
  Augmentation how;
  if (text == "none") return how;
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view part = text.substr(at, comma - at);
    at = comma + 1;
    const size_t colon = std::min(part.find(':'), part.size());
    const std::string_view name = part.substr(0, colon);
    const auto* kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.name == name; });
    if (kind == kKinds.end()) throw unknown_name("augmentation", name, names());
    if (kind->on(how)) {
      throw Error(ErrorKind::usage, "an augmentation is named twice").where("augmentation").got(part);
    }
    if (colon + 1 == part.size()) {
      throw Error(ErrorKind::usage, "a number is missing behind the colon").where("augmentation").got(part);
    }
    Arguments arguments(name, part.substr(std::min(colon + 1, part.size())));
    kind->read(arguments, how);
    if (arguments.more()) {
      throw Error(ErrorKind::usage, "too many numbers for '" + std::string(name) + "'")
          .where("augmentation")
          .wanted(std::string(kind->name) + std::string(kind->arguments))
          .got(part);
    }
  }
  return how;
}

std::string augmentation_text(const Augmentation& augmentation) {
  std::string text;
  for (const Kind& kind : kKinds) {
    if (!kind.on(augmentation)) continue;
    text += (text.empty() ? "" : ",") + std::string(kind.name) + kind.text(augmentation);
  }
  return text.empty() ? "none" : text;
}

std::vector<AugmentationHelp> augmentation_help() {
  std::vector<AugmentationHelp> help;
  for (const Kind& kind : kKinds)
    help.push_back({std::string(kind.name) + std::string(kind.arguments), std::string(kind.purpose)});
  return help;
}

}  // namespace unfold
