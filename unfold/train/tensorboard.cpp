#include "unfold/train/tensorboard.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "unfold/files.h"

namespace unfold {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBegin = "events.out.tfevents.", kEnd = ".unfold.";

template <class T>
std::string little_endian(T value) {
  std::string out;
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

// Protocol buffers, as far as they are needed: a field is its number and wire type, then its value.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string number_field(uint64_t field, int64_t value) {
  return varint(field << 3) + varint(static_cast<uint64_t>(value));
}
std::string double_field(uint64_t field, double value) {
  return varint(field << 3 | 1) + little_endian(std::bit_cast<uint64_t>(value));
}
std::string float_field(uint64_t field, float value) {
  return varint(field << 3 | 5) + little_endian(std::bit_cast<uint32_t>(value));
}
std::string bytes_field(uint64_t field, std::string_view bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

/// Event { double wall_time = 1; int64 step = 2; ... }
std::string event(int64_t step, std::string_view what) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return double_field(1, now) + number_field(2, step) + std::string(what);
}

bool ours(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.starts_with(kBegin) && name.find(kEnd) != std::string::npos;
}

uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

std::string tf_record(std::string_view data) {
  const std::string length = little_endian<uint64_t>(data.size());
  return length + little_endian(masked_crc(length)) + std::string(data) + little_endian(masked_crc(data));
}

EventFile::EventFile(const fs::path& folder, int64_t resumed) {
  require_writable(folder);
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) files += ours(entry.path());
  // Readers take the files in the order of their names: the time, then how many there were.
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  char name[96];
  std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.unfold.%03d",
                static_cast<long long>(seconds.count()), files);
  path_ = folder / name;
  append(event(0, bytes_field(3, "brain.Event:2")));  // file_version
  // session_log { status: START }: what is known of this step and later ones no longer holds
  if (resumed > 0) append(event(resumed + 1, bytes_field(7, number_field(1, 1))));
}

void EventFile::write(int64_t step, std::span<const Scalar> scalars) const {
  std::string values;  // Summary { repeated Value { string tag = 1; float simple_value = 2; } value = 1; }
  for (const Scalar& scalar : scalars) {
    if (!std::isfinite(scalar.value)) continue;
    values += bytes_field(1, bytes_field(1, scalar.tag) + float_field(2, static_cast<float>(scalar.value)));
  }
  append(event(step, bytes_field(5, values)));
}

void EventFile::append(std::string_view event) const {
  append_file(path_, tf_record(event));
}

void remove_event_files(const fs::path& folder) {
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    if (ours(entry.path())) fs::remove(entry.path(), code);
  }
  if (fs::is_directory(folder, code)) fs::remove(folder, code);  // fails, as it should, if something is left
}

}  // namespace unfold
