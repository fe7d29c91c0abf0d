#include "launcher/fabric/nccl/shared_library.h"

#include <dlfcn.h>
#include <link.h>

#include "absl/strings/str_cat.h"

namespace muster::fabric {

absl::StatusOr<SharedLibrary> SharedLibrary::Open(const std::string& name) {
  SharedLibrary library;
  library.handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library.handle_ == nullptr) {
    const char* why = dlerror();
    return absl::NotFoundError(
        why != nullptr ? why : absl::StrCat(name, ": can't be loaded"));
  }
  library.path_ = name;
  link_map* map = nullptr;
  if (dlinfo(library.handle_, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr &&
      map->l_name != nullptr && *map->l_name != '\0') {
    library.path_ = map->l_name;
  }
  return library;
}

void* SharedLibrary::FindAny(const char* symbol) const {
  return dlsym(handle_, symbol);
}

absl::Status SharedLibrary::Lacks(const char* symbol) const {
  return absl::UnimplementedError(
      absl::StrCat(path_, " lacks ", symbol,
                   ": it is too old, or not the library of that name"));
}

}  // namespace muster::fabric
