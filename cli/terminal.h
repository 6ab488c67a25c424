// What the terminal can show. Everything here asks the environment anew: nothing is kept.
#pragma once

namespace unfold::cli {

/// True where characters beyond ASCII come out right: the locale's encoding is UTF-8. main() has called
/// setlocale.
bool utf8_terminal();

/// Columns of a line: $COLUMNS, else the terminal's on stdout or stderr, else 80; at least 20.
int terminal_width();

/// True if `fd` (1 stdout, 2 stderr) is a terminal on which a line can be drawn over: not a file, not
/// TERM=dumb.
bool interactive(int fd);

/// True if text on `fd` may be coloured: interactive(fd) and no NO_COLOR.
bool colour(int fd);

}  // namespace unfold::cli
