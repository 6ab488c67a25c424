// Picks a few files out of a .tar.gz held in memory. Our own reader and not the tar tool, because nothing is
// ever written under a name the archive chooses, and every size is bounded before memory is spent.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace unfold {

/// Walks through the regular files of a ustar archive (as `npm pack` and tar write it), in order. `wanted` is
/// told name (with folders) and size of each and says whether its bytes are to be handed to `take`. Throws a
/// data error, naming `where`, if the archive is damaged or cut off.
void read_tar_gz(std::span<const std::byte> bytes, std::string_view where,
                 const std::function<bool(std::string_view name, uint64_t size)>& wanted,
                 const std::function<void(std::string_view name, std::vector<std::byte> content)>& take);

}  // namespace unfold
