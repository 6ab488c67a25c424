// JPEG by libjpeg-turbo. Its errors leave by longjmp, so everything that has a destructor lives outside
// `guarded`.
#include <csetjmp>
#include <cstddef>
#include <cstdio>
// jpeglib.h needs size_t and FILE from above.
#include <jpeglib.h>

#include <jerror.h>

#include <cstring>
#include <string>

#include "unfold/data/image_codec.h"

namespace unfold::image_codec {
namespace {

constexpr int kMaxScans = 200;  // a progressive picture has about ten; thousands are made to waste time

/// libjpeg's own structs first in ours, so that its callbacks find their way back.
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  bool cut_short = false;
  char message[JMSG_LENGTH_MAX] = "unknown";

  Decoder();
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

Decoder& decoder_of(j_common_ptr info) {
  return *static_cast<Decoder*>(info->client_data);
}

void on_error(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.message);
  std::longjmp(decoder.escape, 1);
}

/// Level -1 is a warning: libjpeg goes on and fills in what is missing. Where pixels are missing we do not.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
      decoder_of(info).cut_short = true;
      [[fallthrough]];
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
      on_error(info);
      break;
    default:  // stray bytes between markers and the like: harmless, and common in photographs
      break;
  }
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  Decoder& decoder = decoder_of(info);
  std::strncpy(decoder.message, "too many scans", sizeof decoder.message - 1);
  std::longjmp(decoder.escape, 1);
}

Decoder::Decoder() {
  info.err = jpeg_std_error(&errors);
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  errors.output_message = on_output;
  progress.progress_monitor = on_progress;
  info.client_data = this;
}

/// Runs `work`, which must own nothing; false if libjpeg gave up in it. Never inlined, so that no variable of
/// a caller is kept in a register across setjmp.
template <class Work>
[[gnu::noinline]] bool guarded(Decoder& decoder, const Work& work) {
  if (setjmp(decoder.escape)) return false;
  work();
  return true;
}

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (const auto* marker = info.marker_list; marker; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1 || marker->data_length < kExif.size()) continue;
    if (std::memcmp(marker->data, kExif.data(), kExif.size()) != 0) continue;
    return exif_orientation({reinterpret_cast<const std::byte*>(marker->data) + kExif.size(),
                             marker->data_length - kExif.size()});
  }
  return 1;
}

/// Inks to light. Adobe's programs store them inverted, and say so by their marker.
Image rgb_of_cmyk(const Image& cmyk, bool inverted) {
  Image rgb{cmyk.width, cmyk.height, 3, {}};
  rgb.pixels.reserve(cmyk.pixels.size() / 4 * 3);
  for (size_t i = 0; i < cmyk.pixels.size(); i += 4) {
    const int flip = inverted ? 0 : 255;
    const int k = cmyk.pixels[i + 3] ^ flip;
    for (size_t c = 0; c < 3; ++c) {
      rgb.pixels.push_back(static_cast<uint8_t>(((cmyk.pixels[i + c] ^ flip) * k + 127) / 255));
    }
  }
  return rgb;
}

/// Has a large picture decoded at half, a quarter or an eighth of its size, so that it takes no more memory
/// than a file of so many bytes may; returns its black image. Throws what check_memory throws if that does
/// not help.
Image image_for(jpeg_decompress_struct& info, int channels, bool turned, size_t file,
                std::string_view where) {
  uint64_t coefficients = 0;  // of a picture in several scans all are held, two bytes each
  for (int i = 0; jpeg_has_multiple_scans(&info) && i < info.num_components; ++i) {
    const jpeg_component_info& c = info.comp_info[i];
    coefficients += uint64_t{2} * DCTSIZE2 * (c.width_in_blocks + static_cast<uint64_t>(c.h_samp_factor)) *
                    (c.height_in_blocks + static_cast<uint64_t>(c.v_samp_factor));
  }
  const int copies = turned || channels == 4 ? 2 : 1;
  for (unsigned scale = 1;; scale *= 2) {
    const uint64_t width = (info.image_width + scale - 1) / scale,
                   height = (info.image_height + scale - 1) / scale;
    const uint64_t bytes = coefficients + width * height * static_cast<uint64_t>(channels * copies);
    if (bytes > memory_for(file) && scale < 8) continue;
    check_memory(bytes, file, where);
    info.scale_num = 1;
    info.scale_denom = scale;
    return make_image(static_cast<int64_t>(width), static_cast<int64_t>(height), channels, file, where);
  }
}

}  // namespace

Image decode_jpeg(Bytes bytes, std::string_view where) {
  Decoder decoder;
  jpeg_decompress_struct& info = decoder.info;
  const auto fail = [&] {
    if (decoder.cut_short) fail_truncated(where, bytes.size() + 1, bytes.size());
    fail_damaged(decoder.message, where);
  };
  const bool started = guarded(decoder, [&] {
    jpeg_create_decompress(&info);  // clears all but err and client_data
    info.progress = &decoder.progress;
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()),
                 static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
  });
  if (!started) fail();
  const int orientation = orientation_of(info);  // the markers are gone when the last row is read
  const bool adobe = info.saw_Adobe_marker;
  check_size(info.image_width, info.image_height, where);
  // A Huffman code has at least one bit, and there is one for each 8x8 block: 512 pixels a byte.
  const uint64_t least = uint64_t{info.image_width} * info.image_height / 512;
  if (!info.arith_code && least > bytes.size()) fail_truncated(where, least, bytes.size());

  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = grey ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
  Image image = image_for(info, grey ? 1 : inks ? 4 : 3, orientation > 1, bytes.size(), where);
  uint8_t* const pixels = image.pixels.data();
  const auto stride = static_cast<size_t>(image.width * image.channels);
  const auto width = static_cast<JDIMENSION>(image.width), height = static_cast<JDIMENSION>(image.height);
  const bool read = guarded(decoder, [&] {
    jpeg_start_decompress(&info);
    if (info.output_width != width || info.output_height != height) ERREXIT(&info, JERR_BAD_STATE);
    while (info.output_scanline < info.output_height) {
      JSAMPROW row = pixels + info.output_scanline * stride;
      jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
  });
  if (!read) fail();
  if (inks) image = rgb_of_cmyk(image, adobe);
  return oriented(std::move(image), orientation);
}

}  // namespace unfold::image_codec
