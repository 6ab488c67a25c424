#include "unfold/formats/c_header.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "unfold/error.h"
#include "unfold/formats/model_file.h"

namespace unfold {
namespace {

constexpr size_t kMost = size_t{64} << 20;
constexpr size_t kWordsALine = 5;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A string literal of any text: all but plain characters as octal escapes, which end after three digits
/// whatever follows. A question mark, too: two of them begin a trigraph.
std::string literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '?';
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\%03o", static_cast<unsigned>(static_cast<unsigned char>(c)));
    plain ? out += c : out += escape;
  }
  return out + "\"";
}

/// The same for a comment of one line.
std::string comment(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= ' ' && c <= '~' && c != '\\' ? c : '?';
  return out;
}

/// 0x... words, the last filled up with zeros.
std::string words(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() * 21 / 8 + 64);
  for (size_t at = 0; at < bytes.size(); at += 8) {
    uint64_t word = 0;
    for (size_t i = 0; i < std::min<size_t>(8, bytes.size() - at); ++i)
      word |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
    char text[24];
    const int length = std::snprintf(text, sizeof text, "0x%llxu,", static_cast<unsigned long long>(word));
    out.append(text, static_cast<size_t>(length));
    out += at / 8 % kWordsALine + 1 == kWordsALine ? '\n' : ' ';
  }
  out.back() = '\n';
  return out;
}

}  // namespace

std::string c_identifier(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_letter(c) || is_digit(c)) {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  if (out.empty()) return "model";
  return is_digit(out.front()) ? "model_" + out : out;
}

std::string c_header(const Model& model, std::string_view name) {
  const std::vector<std::byte> bytes = serialize_model(model);
  if (bytes.size() > kMost) {
    throw Error(ErrorKind::usage, "the model is too large for a header")
        .where(model.name)
        .wanted("at most 64 MiB")
        .got(std::to_string(bytes.size() >> 20) + " MiB")
        .hint("ship the model file beside the program, and read it by load_model");
  }
  const std::string id = c_identifier(name.empty() ? model.name : name);
  const Shape in = model.graph.shape(model.graph.input());
  const Preprocessing& how = model.preprocessing;
  size_t longest = 0;
  for (const std::string& one : model.classes) longest = std::max(longest, one.size());

  std::string out = "// " + comment(model.name) + ", written by `unfold export --c-header`: " +
                    std::to_string(model.parameters.table().count()) + " parameters.\n";
  out += "//   unfold::parse_model(std::as_bytes(std::span(" + id + "_model)).first(" + id + "_bytes), " +
         literal(id) + ")\n";
  out +=
      "#pragma once\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
      "#ifdef __cplusplus\n#define UNFOLD_EMBEDDED inline constexpr\n#else\n#define UNFOLD_EMBEDDED static "
      "const\n#endif\n\n";
  const std::string begin = "UNFOLD_EMBEDDED ";
  out += begin + "char " + id + "_name[] = " + literal(model.name) + ";\n";
  out +=
      "// Channels, height and width of the network's input; height and width of the images it is given.\n";
  out += begin + "int32_t " + id + "_input[3] = {" + std::to_string(in[0]) + ", " + std::to_string(in[1]) +
         ", " + std::to_string(in[2]) + "};\n";
  out += begin + "int32_t " + id + "_image[2] = {" + std::to_string(how.image_h) + ", " +
         std::to_string(how.image_w) + "};\n";
  out += begin + "char " + id + "_classes[" + std::to_string(model.classes.size()) + "][" +
         std::to_string(longest + 1) + "] = {";
  for (size_t c = 0; c < model.classes.size(); ++c) out += (c ? ", " : "") + literal(model.classes[c]);
  out += "};\n// The model file, in little-endian words.\n";
  out += begin + "size_t " + id + "_bytes = " + std::to_string(bytes.size()) + ";\n";
  out += begin + "uint64_t " + id + "_model[" + std::to_string((bytes.size() + 7) / 8) + "] = {\n" +
         words(bytes) + "};\n\n#undef UNFOLD_EMBEDDED\n";
  return out;
}

}  // namespace unfold
