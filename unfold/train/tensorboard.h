// Curves for TensorBoard: event files, which are TFRecord files of Event messages with scalar summaries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace unfold {

/// A point of a curve; curves whose tags share what stands before the '/' are shown together.
struct Scalar {
  std::string tag;  ///< "loss/train"
  double value;     ///< left out if it is not finite
};

/// CRC-32C (Castagnoli) of the bytes.
uint32_t crc32c(std::string_view bytes);

/// A TFRecord: length (8 bytes, little-endian), its masked CRC-32C, the data, its masked CRC-32C.
std::string tf_record(std::string_view data);

/// One event file, which grows event by event, each written whole.
class EventFile {
 public:
  /// Begins a new file in `folder` (made if missing), after those that are there. A run that goes on from
  /// step `resumed` tells readers to forget what earlier files say of later steps; 0: a new run. Throws
  /// runtime if it cannot be written.
  explicit EventFile(const std::filesystem::path& folder, int64_t resumed = 0);

  /// Appends the points of one step.
  void write(int64_t step, std::span<const Scalar> scalars) const;

 private:
  void append(std::string_view event) const;
  std::filesystem::path path_;
};

/// Removes the event files that EventFile wrote in `folder`, and the folder if nothing else is in it.
void remove_event_files(const std::filesystem::path& folder);

}  // namespace unfold
