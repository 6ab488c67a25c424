#include "unfold/data/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "unfold/error.h"

namespace unfold {

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

void GzipReader::Free::operator()(z_stream_s* stream) const {
  ::inflateEnd(stream);
  delete stream;
}

GzipReader::GzipReader(std::span<const std::byte> bytes, std::string_view where)
    : stream_(new z_stream_s{}), rest_(bytes), where_(where) {
  if (::inflateInit2(stream_.get(), 16 + MAX_WBITS) != Z_OK) {  // 16: a gzip header is demanded
    throw Error(ErrorKind::runtime, "zlib cannot start").where(where_);
  }
}

size_t GzipReader::read(std::span<std::byte> out) {
  constexpr size_t kPiece = size_t{1} << 30;  // zlib counts in 32 bits
  size_t written = 0;
  while (written < out.size() && !finished_) {
    if (stream_->avail_in == 0) {
      const size_t piece = std::min(rest_.size(), kPiece);
      stream_->next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest_.data()));
      stream_->avail_in = static_cast<uInt>(piece);
      rest_ = rest_.subspan(piece);
    }
    const size_t room = std::min(out.size() - written, kPiece);
    stream_->next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream_->avail_out = static_cast<uInt>(room);
    const int status = ::inflate(stream_.get(), Z_NO_FLUSH);
    written += room - stream_->avail_out;
    if (status == Z_STREAM_END) {
      if (stream_->avail_in == 0 && rest_.empty()) {
        finished_ = true;
      } else {
        ::inflateReset(stream_.get());  // the next member, or bytes that are none: then the next call says so
      }
    } else if (status == Z_BUF_ERROR ||
               (status == Z_OK && stream_->avail_in == 0 && rest_.empty() && stream_->avail_out > 0)) {
      throw Error(ErrorKind::data, "the gzip data end too early")
          .where(where_)
          .hint("the file was cut off on its way here: get it again");
    } else if (status != Z_OK) {
      throw Error(ErrorKind::data, std::string("the gzip data are damaged: ") +
                                       (stream_->msg != nullptr ? stream_->msg : "unknown reason"))
          .where(where_)
          .hint("get the file again");
    }
  }
  return written;
}

}  // namespace unfold
