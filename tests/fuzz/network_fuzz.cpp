// Any bytes are refused with an Error of kind model, or become a network that can be made.
#include <cstdint>
#include <cstdlib>

#include "unfold/error.h"
#include "unfold/formats/network_file.h"

using namespace unfold;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Network network = parse_network({reinterpret_cast<const char*>(data), size}, "input");
    const Graph graph = network.make(network.image, network.classes);
    if (graph.shape(graph.output()) != Shape{network.classes}) std::abort();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::model) std::abort();
  }
  return 0;
}
