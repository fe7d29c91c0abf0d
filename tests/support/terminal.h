// A terminal of a test.
#ifndef MUSTER_TESTS_SUPPORT_TERMINAL_H_
#define MUSTER_TESTS_SUPPORT_TERMINAL_H_

#include <string>

namespace muster::test {

// Job: a pseudo terminal; what is written to path() is read here.
// Life cycle: as long as somebody may write there.
// Threads: one.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // To be opened for writing, with O_NOCTTY.
  const std::string& path() const { return path_; }
  // All that was written so far. Lines end with "\r\n".
  const std::string& Text();

 private:
  int fd_;
  int other_end_ = -1;  // kept open, so that reading never fails
  std::string path_;
  std::string text_;
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_TERMINAL_H_
