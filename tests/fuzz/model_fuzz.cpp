// Any bytes are refused with an Error of kind model, or describe a network, as JSON or in a safetensors file,
// that is described in the same way again.
#include <cstdlib>
#include <cstring>

#include "unfold/formats/model_file.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kParameters = 100'000;
  try {
    if (size > 0 && data[0] == '{') {
      const std::string_view text(reinterpret_cast<const char*>(data), size);
      const Model model = model_from_description(text, "input", kParameters);
      const std::string again = describe_model(model);
      if (describe_model(model_from_description(again, "output", kParameters)) != again) std::abort();
    } else {
      const SafetensorsFile file = parse_safetensors(std::as_bytes(std::span(data, size)), "input");
      const LoadedModel loaded = parse_model(file, "input");
      if (loaded.model.parameters.table().count() > file.elements()) std::abort();
    }
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model || std::strchr(e.what(), '\n')) std::abort();
  }
  return 0;
}
