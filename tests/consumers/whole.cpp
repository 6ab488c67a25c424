// What a program needs of unfold::unfold: all parts. A picture goes through PNG, a tensor through
// safetensors.
#include <cstdio>

#include "unfold/data/image_file.h"
#include "unfold/error.h"
#include "unfold/formats/safetensors.h"
#include "unfold/version.h"

int main() {
  using namespace unfold;
  SafetensorsFile file;
  file.tensors.emplace_back("x", Tensor::zeros<float>(Shape{2, 3}));
  const SafetensorsFile again = parse_safetensors(serialize_safetensors(file), "memory");
  if (!again.find("x") || again.find("x")->shape() != Shape{2, 3}) return 1;

  try {
    decode_image({}, "nothing");
    return 1;
  } catch (const Error& error) {
    std::printf("unfold %s: %s\n", kVersion, error.what());
  }
  return 0;
}
