// Weights from one network into another: what fits by name and shape is taken over, and what does not is
// told. And weights for other programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "unfold/formats/safetensors.h"
#include "unfold/model.h"

namespace unfold {

/// What became of the tensors of a file and the parameters of a network.
struct Transfer {
  std::vector<std::string> matched;    ///< parameters that were taken over
  std::vector<std::string> reshaped;   ///< "fc.weight: (1000, 512) there, (10, 512) here": left as they were
  std::vector<std::string> missing;    ///< parameters that the file has not: left as they were
  std::vector<std::string> left_over;  ///< tensors that the network has not
  /// A line for each kind that there is, with up to `most` names each.
  std::string text(size_t most = 4) const;
};

/// Overwrites the parameters whose name and shape a tensor of the file has, converted from F32, F16, BF16 or
/// F64; names are torchvision's, so a PyTorch state_dict saved as safetensors fits as it is. Its counters
/// num_batches_tracked are passed over. Throws model naming `where` and the tensor if nothing matches, a
/// matching one is of another dtype, or one holds NaN or infinity; then nothing has been changed.
Transfer transfer(const SafetensorsFile& from, Parameters<float>& to, std::string_view where);

/// The elements of a contiguous tensor of F32, F16, BF16 or F64 as floats, F64 rounded. Throws usage for
/// other dtypes.
std::vector<float> as_floats(const Tensor& tensor);

/// A model made fit for a data set: where that has another number of classes, the last layer with weights,
/// which must be linear or a convolution, has so many outputs and fresh weights (drawn with `seed`); all
/// others stay. Names of classes and the size of images are the data's. Throws usage if the images have other
/// channels, or the network has no such layer.
Model fitted_to(const Model& model, const Dataset& data, uint64_t seed);

/// Contiguous floats as F32 (the same memory), F16 or BF16, rounded to the nearest, halves to even. Throws
/// usage, naming `where`, for other dtypes, and for a finite number that would become infinite.
Tensor as_dtype(const Tensor& tensor, Dtype dtype, std::string_view where);

/// The parameters as PyTorch's `load_state_dict` takes them: by their names, which are torchvision's, and
/// nothing else. F32 is borrowed: the parameters must outlive the file. Throws as as_dtype.
SafetensorsFile state_dict(const Parameters<float>& parameters, Dtype dtype = Dtype::f32);

}  // namespace unfold
