// What every part of an ONNX file is read by: the wire format's fields, checked, and a budget for what they
// become.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unfold/error.h"
#include "unfold/text.h"

namespace unfold::onnx {

using protozero::data_view;
using protozero::pbf_reader;
using protozero::pbf_wire_type;

/// What to do about a file that cannot be read.
inline constexpr std::string_view kHint =
    "write it again with its exporter, or fetch it again: a download may have been cut";

/// The base of the readers. What is refused is thrown as an Error of kind `kind`, with its place in the file.
class Wire {
 public:
  Wire(ErrorKind kind, std::string_view where, uint64_t bytes) : kind_(kind), where_(where) {
    constexpr uint64_t kLeast = uint64_t{48} << 20;
    budget_ = kLeast + 3 * bytes;
  }

 protected:
  /// Where in the file we are, for messages.
  class Within {
   public:
    Within(Wire& reader, std::string name) : reader_(reader) { reader_.path_.push_back(std::move(name)); }
    ~Within() { reader_.path_.pop_back(); }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;

   private:
    Wire& reader_;
  };

  std::string here() const {
    std::string text = where_;
    for (const std::string& part : path_) text += ": " + part;
    return text;
  }

  [[noreturn]] void refuse(std::string_view what, std::string_view wanted = {},
                           std::string_view got = {}) const {
    throw Error(kind_, what).where(here()).wanted(wanted).got(got).hint(kHint);
  }

  void same(uint64_t wanted, uint64_t got, const std::string& unit) const {
    if (wanted == got) return;
    refuse("the values do not fill the tensor's shape", std::to_string(wanted) + " " + unit,
           std::to_string(got));
  }

  /// What is kept is paid for before it is made.
  void charge(uint64_t bytes) {
    if (bytes > budget_) refuse("the file unpacks to more than 48 MiB and three times its bytes");
    budget_ -= bytes;
  }

  template <class T>
  T& add(std::vector<T>& list, T value) {
    charge(2 * sizeof(T));  // a vector that grows holds up to twice its elements
    return list.emplace_back(std::move(value));
  }

  void want(const pbf_reader& r, pbf_wire_type type) const {
    if (r.wire_type() != type) {
      refuse("a field is encoded as another kind", "wire type " + std::to_string(static_cast<int>(type)),
             std::to_string(static_cast<int>(r.wire_type())));
    }
  }

  int64_t integer(pbf_reader& r) const {
    want(r, pbf_wire_type::varint);
    return r.get_int64();
  }

  data_view view(pbf_reader& r) const {
    want(r, pbf_wire_type::length_delimited);
    return r.get_view();
  }

  std::string text(pbf_reader& r) {
    const data_view v = view(r);
    charge(v.size());
    return {v.data(), v.size()};
  }

  /// One StringStringEntryProto: key and value.
  std::pair<std::string, std::string> entry(data_view bytes) {
    std::pair<std::string, std::string> out;
    pbf_reader r(bytes);
    while (r.next()) {
      if (r.tag() == 1) {
        out.first = text(r);
      } else if (r.tag() == 2) {
        out.second = text(r);
      } else {
        r.skip();
      }
    }
    return out;
  }

  /// Repeated integers, packed or one by one.
  void integers(pbf_reader& r, std::vector<int64_t>& to) {
    if (r.wire_type() == pbf_wire_type::varint) {
      add(to, r.get_int64());
      return;
    }
    want(r, pbf_wire_type::length_delimited);
    for (const int64_t value : r.get_packed_int64()) add(to, value);
  }

  void floats(pbf_reader& r, std::vector<float>& to) {
    if (r.wire_type() == pbf_wire_type::fixed32) {
      add(to, r.get_float());
      return;
    }
    want(r, pbf_wire_type::length_delimited);
    for (const float value : r.get_packed_float()) add(to, value);
  }

  ErrorKind kind_;
  std::string where_;
  uint64_t budget_;

 private:
  std::vector<std::string> path_;
};

}  // namespace unfold::onnx
