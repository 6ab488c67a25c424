// One TensorProto: its shape, its type, and values that are packed, raw or in another file.
#pragma once

#include <optional>

#include "unfold/formats/onnx/external_data.h"
#include "unfold/formats/onnx/model.h"
#include "unfold/formats/onnx/wire.h"

namespace unfold::onnx {

class TensorReader : public Wire {
 public:
  /// `external` may be null: values in other files are refused then. `bytes` are those of the whole file.
  TensorReader(ErrorKind kind, std::string_view where, uint64_t bytes, ExternalData* external)
      : Wire(kind, where, bytes), external_(external) {}

  /// The tensor; one of a type that is not read here has `refused` set and no values.
  TensorValue tensor(data_view bytes);
  /// Throws if the tensor is of a type that is not read here.
  void check_type(const TensorValue& value) const;

 private:
  struct External {
    std::string location;
    uint64_t offset = 0;
    std::optional<uint64_t> length;
  };

  uint64_t count(const std::vector<int64_t>& sizes) const;
  void note(const std::string& key, const std::string& value, External& out);
  void check_external(const External& external, uint64_t size);
  uint64_t elements_there(data_view bytes, Dtype dtype) const;
  template <class F>
  void each_data(data_view bytes, Dtype dtype, F body) const;
  template <class T>
  void fill_integers(data_view bytes, Dtype dtype, T* to) const;
  void fill(data_view bytes, Dtype dtype, Tensor& to) const;

  ExternalData* external_;
};

}  // namespace unfold::onnx
