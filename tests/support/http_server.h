// A web server for one test: one thread, this machine only, and it misbehaves as it is told to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace unfold::testing {

/// Serves `files` ("/a/x.gz" -> bytes) under http://127.0.0.1:PORT. How a folder ("/a/") behaves is set in
/// `manners`.
class HttpServer {
 public:
  enum class Manner {
    right,        ///< sends what is asked for, ranges too
    forbidden,    ///< 403
    stalls,       ///< sends half of it, then nothing more, and keeps the connection open
    cuts,         ///< the first answer for each file ends half way; later ones are right
    always_cuts,  ///< no answer carries more than the first 10 bytes asked for
    no_ranges,    ///< cuts the first answer, and then refuses to go on from the middle
    endless,      ///< announces no length and sends zeros for ever
  };
  struct Request {
    std::string path;
    long from = 0;  ///< of "Range: bytes=FROM-", 0 without
    bool ranged = false;
  };

  std::map<std::string, std::string> files;
  std::map<std::string, Manner> manners;

  HttpServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~HttpServer() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Call once files and manners are set; they must not change any more.
  void start() {
    thread_ = std::thread([this] {
      while (!stop_) {
        if (!wait_readable(listener_)) continue;
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        answer(client);
        ::shutdown(client, SHUT_RDWR);
        ::close(client);
      }
    });
  }
  std::string url(const std::string& folder) const {
    return "http://127.0.0.1:" + std::to_string(port_) + folder;
  }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static bool wait_readable(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 20) > 0;
  }
  static bool send_all(int client, const char* data, size_t size) {
    while (size > 0) {
      const ssize_t n = ::send(client, data, size, MSG_NOSIGNAL);
      if (n <= 0) return false;
      data += n;
      size -= static_cast<size_t>(n);
    }
    return true;
  }
  static bool send_all(int client, const std::string& text) {
    return send_all(client, text.data(), text.size());
  }

  void answer(int client) {
    std::string head;
    while (!stop_ && head.find("\r\n\r\n") == std::string::npos) {
      if (!wait_readable(client)) continue;
      char piece[2048];
      const ssize_t n = ::recv(client, piece, sizeof piece, 0);
      if (n <= 0) return;
      head.append(piece, static_cast<size_t>(n));
    }
    if (!head.starts_with("GET ")) return;
    Request request;
    request.path = head.substr(4, head.find(' ', 4) - 4);
    if (const size_t at = head.find("Range: bytes="); at != std::string::npos) {
      request.ranged = true;
      request.from = std::stol(head.substr(at + 13));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const auto file = files.find(request.path);
    const auto manner_of = manners.find(request.path.substr(0, request.path.rfind('/') + 1));
    const Manner manner = manner_of == manners.end() ? Manner::right : manner_of->second;
    if (manner == Manner::forbidden)
      return void(send_all(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    if (manner == Manner::endless) return endless(client);
    if (file == files.end())
      return void(send_all(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    const bool first = ++asked_[request.path] == 1;
    const std::string& all = file->second;
    const bool ranged = request.ranged && manner != Manner::no_ranges;
    const size_t from = ranged ? static_cast<size_t>(request.from) : 0;
    if (ranged && from >= all.size()) {
      return void(send_all(client, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n"));
    }
    std::string answer = ranged ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " +
                                      std::to_string(from) + "-" + std::to_string(all.size() - 1) + "/" +
                                      std::to_string(all.size()) + "\r\n"
                                : "HTTP/1.1 200 OK\r\n";
    answer += "Content-Length: " + std::to_string(all.size() - from) + "\r\nConnection: close\r\n\r\n";
    size_t count = all.size() - from;
    const bool cuts = manner == Manner::cuts || manner == Manner::no_ranges;
    if (manner == Manner::stalls || (cuts && first)) count /= 2;
    if (manner == Manner::always_cuts) count = std::min<size_t>(count, 10);
    if (!send_all(client, answer + all.substr(from, count))) return;
    if (manner == Manner::stalls) hold(client);
  }

  /// Keeps the connection open until the other side has had enough.
  void hold(int client) const {
    char piece[256];
    while (!stop_) {
      if (wait_readable(client) && ::recv(client, piece, sizeof piece, 0) <= 0) return;
    }
  }

  void endless(int client) const {
    const std::string zeros(65536, '\0');
    if (!send_all(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) return;
    while (!stop_ && send_all(client, zeros)) {
    }
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
  std::map<std::string, int> asked_;  // of the server's thread
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
};

}  // namespace unfold::testing
