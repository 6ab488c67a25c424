// PNG by libpng. Its errors leave by longjmp, so everything that has a destructor lives outside `guarded`.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "unfold/data/image_codec.h"
#include "unfold/data/image_file.h"

namespace unfold {
namespace {

using image_codec::Bytes;

/// What libpng is given as its user pointers.
struct Stream {
  Bytes in;                               // when reading: what is left
  std::vector<std::byte>* out = nullptr;  // when writing
  bool cut_short = false;
  char message[128] = "unknown";  // of the last error
};

void on_error(png_structp png, png_const_charp message) {
  auto* stream = static_cast<Stream*>(png_get_error_ptr(png));
  std::strncpy(stream->message, message, sizeof stream->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // of chunks that carry no pixels

void on_read(png_structp png, png_bytep to, size_t n) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  if (n > stream->in.size()) {
    stream->cut_short = true;
    png_error(png, "the file is cut short");
  }
  std::memcpy(to, stream->in.data(), n);
  stream->in = stream->in.subspan(n);
}

void on_write(png_structp png, png_bytep from, size_t n) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  bool written = true;
  try {
    const auto* bytes = reinterpret_cast<const std::byte*>(from);
    stream->out->insert(stream->out->end(), bytes, bytes + n);
  } catch (...) {
    written = false;
  }
  if (!written) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

/// Runs `work`, which must own nothing; false if libpng gave up in it. A function of its own, never inlined,
/// so that no variable of a caller is kept in a register across setjmp.
template <class Work>
[[gnu::noinline]] bool guarded(png_structp png, const Work& work) {
  if (setjmp(png_jmpbuf(png))) return false;
  work();
  return true;
}

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit Reader(Stream& stream)
      : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream, on_error, on_warning)),
        info(png ? png_create_info_struct(png) : nullptr) {}
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit Writer(Stream& stream)
      : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &stream, on_error, on_warning)),
        info(png ? png_create_info_struct(png) : nullptr) {}
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

/// Chunks, each its length (4 bytes), name (4), content and checksum (4), up to IEND: libpng believes a
/// length and takes as much memory before it reads.
void check_chunks(Bytes bytes, std::string_view where) {
  constexpr size_t kSignature = 8, kAround = 12;
  for (size_t at = kSignature; bytes.size() - at >= kAround;) {
    const auto* chunk = reinterpret_cast<const png_byte*>(bytes.data()) + at;
    const size_t chunk_size = kAround + png_get_uint_32(chunk);
    if (chunk_size > bytes.size() - at) image_codec::fail_truncated(where, at + chunk_size, bytes.size());
    if (std::memcmp(chunk + 4, "IEND", 4) == 0) return;
    at += chunk_size;
  }
}

int orientation_of(png_structp png, png_infop info) {
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) && exif) {
    return image_codec::exif_orientation({reinterpret_cast<const std::byte*>(exif), size});
  }
#else
  (void)png, (void)info;
#endif
  return 1;
}

}  // namespace

Image image_codec::decode_png(Bytes bytes, std::string_view where) {
  // The header comes first in every PNG. Read by hand, so that a size no picture can have is named as such.
  constexpr size_t kHeader = 8 + 8 + 13 + 4;
  if (bytes.size() < kHeader) fail_truncated(where, kHeader, bytes.size());
  const auto* header = reinterpret_cast<const png_byte*>(bytes.data()) + 16;
  check_size(png_get_uint_32(header), png_get_uint_32(header + 4), where);
  check_chunks(bytes, where);

  Stream stream{bytes, nullptr};
  Reader reader(stream);
  if (!reader.info) throw Error(ErrorKind::runtime, "libpng could not start").where(where);
  const png_structp png = reader.png;
  const png_infop info = reader.info;
  const auto fail = [&] {
    if (stream.cut_short) fail_truncated(where, bytes.size() + 1, bytes.size());
    fail_damaged(stream.message, where);
  };

  int64_t width = 0, height = 0, channels = 0;
  uint64_t raw = 0;
  const bool started = guarded(png, [&] {
    png_set_read_fn(png, &stream, on_read);
    png_read_info(png, info);
    raw = uint64_t{png_get_rowbytes(png, info)} * png_get_image_height(png, info);
    png_set_expand(png);    // palette to RGB, fewer than 8 bits to 8, a transparent colour to alpha
    png_set_scale_16(png);  // 16 bits to 8, rounded
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    width = png_get_image_width(png, info);
    height = png_get_image_height(png, info);
    channels = png_get_channels(png, info);
  });
  if (!started) fail();
  // Deflate cannot make more than 1032 bytes of one: a small file that claims to be large is refused unread.
  constexpr uint64_t kDeflateMax = 1032;
  if (raw / kDeflateMax > bytes.size()) fail_truncated(where, raw / kDeflateMax, bytes.size());

  const int orientation = orientation_of(png, info);
  const auto pixels = static_cast<uint64_t>(width * height * channels);
  check_memory(orientation > 1 ? 2 * pixels : pixels, bytes.size(), where);
  Image image = make_image(width, height, channels, bytes.size(), where);
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (size_t y = 0; y < rows.size(); ++y) {
    rows[y] = image.pixels.data() + y * static_cast<size_t>(width * channels);
  }
  png_bytepp const row = rows.data();
  const bool read = guarded(png, [&] {
    png_read_image(png, row);
    png_read_end(png, info);
  });
  if (!read) fail();
  return oriented(std::move(image), orientation_of(png, info));
}

std::vector<std::byte> encode_png(const Image& image) {
  if (image.width < 1 || image.height < 1 || image.width > 1'000'000 || image.height > 1'000'000 ||
      image.channels < 1 || image.channels > 4 ||
      std::cmp_not_equal(image.pixels.size(), image.width * image.height * image.channels)) {
    throw Error(ErrorKind::usage, "a picture whose sizes and pixels do not fit cannot be saved")
        .got(std::to_string(image.width) + "x" + std::to_string(image.height) + "x" +
             std::to_string(image.channels) + ", " + std::to_string(image.pixels.size()) + " bytes");
  }
  static constexpr int kColours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                     PNG_COLOR_TYPE_RGB_ALPHA};
  std::vector<std::byte> out;
  Stream stream{{}, &out};
  Writer writer(stream);
  if (!writer.info) throw Error(ErrorKind::runtime, "libpng could not start");
  const png_structp png = writer.png;
  const png_infop info = writer.info;
  const bool written = guarded(png, [&] {
    png_set_write_fn(png, &stream, on_write, on_flush);
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                 kColours[image.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < image.height; ++y) png_write_row(png, image.at(y, 0).data());
    png_write_end(png, info);
  });
  if (!written) throw Error(ErrorKind::runtime, std::string("PNG not written: ") + stream.message);
  return out;
}

}  // namespace unfold
