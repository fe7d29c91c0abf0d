// A library that is loaded at run time.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_SHARED_LIBRARY_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_SHARED_LIBRARY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace muster::fabric {

// Job: dlopen and dlsym with errors for people.
// Life cycle: a handle; the library is never unloaded, since it may leave
// threads behind. Threads: any, one at a time. Copies are the same library.
class SharedLibrary {
 public:
  // `name` as dlopen takes it: a path, or a name that is looked for where the
  // loader looks. NotFound, with the loader's own words, when there is none
  // that can be loaded.
  static absl::StatusOr<SharedLibrary> Open(const std::string& name);

  // The file that was loaded.
  const std::string& path() const { return path_; }

  // Null where it lacks the symbol.
  template <typename Function>
  Function* Find(const char* symbol) const {
    return reinterpret_cast<Function*>(FindAny(symbol));
  }

  // Puts the function of that name into `function`. Unimplemented, naming the
  // library and the symbol, where it lacks it.
  template <typename Function>
  absl::Status Load(const char* symbol, Function** function) const {
    *function = Find<Function>(symbol);
    return *function != nullptr ? absl::OkStatus() : Lacks(symbol);
  }

  // The error of a library without that symbol.
  absl::Status Lacks(const char* symbol) const;

 private:
  void* FindAny(const char* symbol) const;

  void* handle_ = nullptr;
  std::string path_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_SHARED_LIBRARY_H_
