// Writes one file through unfold/files.h, as a program would, for the tests that break it on the way:
//   write_helper PATH CHARACTER BYTES [LARGEST FILE THE SYSTEM ALLOWS [append]]
// Prints "error: ..." and returns 1 if it fails.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "unfold/files.h"

int main(int count, char** words) {
  if (count < 4) return 2;
  if (count > 4) {
    std::signal(SIGXFSZ, SIG_IGN);  // so that the write reports EFBIG instead of ending the program
    const rlimit limit{std::stoul(words[4]), std::stoul(words[4])};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  }
  try {
    const std::string text(std::stoul(words[3]), words[2][0]);
    if (count > 5) {
      unfold::append_file(words[1], text);
    } else {
      unfold::write_file(words[1], text);
    }
  } catch (const unfold::Error& e) {
    std::printf("error: %s\nhint: %s\n", e.what(), e.hint().c_str());
    return 1;
  }
  return 0;
}
