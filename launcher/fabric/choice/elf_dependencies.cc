#include "launcher/fabric/choice/elf_dependencies.h"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace muster::fabric {
namespace {

// What a damaged file can make us read.
constexpr uint64_t kMostSegments = 1024;
constexpr uint64_t kMostEntries = 64 * 1024;
constexpr uint64_t kLongestName = 64 * 1024;

constexpr unsigned char kThisByteOrder =
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

// Job: parts of one file by their place in it. Threads: one.
class ElfFile {
 public:
  explicit ElfFile(const std::string& path)
      : file_(path, std::ios::binary | std::ios::in) {}

  bool is_open() const { return file_.is_open(); }

  template <typename Value>
  std::optional<Value> Read(uint64_t at) {
    Value value;
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at));
    if (!file_.read(reinterpret_cast<char*>(&value), sizeof value)) {
      return std::nullopt;
    }
    return value;
  }

  std::optional<std::string> ReadText(uint64_t at) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at));
    std::string text;
    for (char byte; text.size() < kLongestName && file_.get(byte);) {
      if (byte == '\0') return text;
      text += byte;
    }
    return std::nullopt;
  }

 private:
  std::ifstream file_;
};

// Where the loader puts a part of the file.
struct Segment {
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t place = 0;  // in the file
};

struct Dynamic {
  std::vector<uint64_t> needed;  // places in the table of strings
  std::vector<uint64_t> rpath;
  std::vector<uint64_t> runpath;
  uint64_t strings = 0;  // its address
};

std::optional<Dynamic> ReadDynamic(ElfFile& file, const Segment& segment) {
  Dynamic dynamic;
  for (uint64_t i = 0; i < kMostEntries; ++i) {
    if ((i + 1) * sizeof(Elf64_Dyn) > segment.size) return dynamic;
    const auto entry =
        file.Read<Elf64_Dyn>(segment.place + i * sizeof(Elf64_Dyn));
    if (!entry) return std::nullopt;
    switch (entry->d_tag) {
      case DT_NULL:
        return dynamic;
      case DT_NEEDED:
        dynamic.needed.push_back(entry->d_un.d_val);
        break;
      case DT_RPATH:
        dynamic.rpath.push_back(entry->d_un.d_val);
        break;
      case DT_RUNPATH:
        dynamic.runpath.push_back(entry->d_un.d_val);
        break;
      case DT_STRTAB:
        dynamic.strings = entry->d_un.d_ptr;
        break;
      default:
        break;
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> PlaceOf(const std::vector<Segment>& loaded,
                                uint64_t address) {
  for (const Segment& segment : loaded) {
    if (address >= segment.address &&
        address - segment.address < segment.size) {
      return segment.place + (address - segment.address);
    }
  }
  return std::nullopt;
}

std::vector<std::string> Directories(absl::string_view list,
                                     const std::string& origin) {
  std::vector<std::string> directories;
  for (const absl::string_view entry : absl::StrSplit(list, ':')) {
    directories.push_back(absl::StrReplaceAll(
        entry, {{"$ORIGIN", origin}, {"${ORIGIN}", origin}}));
  }
  return directories;
}

std::string FindIn(const std::vector<std::string>& directories,
                   const std::string& name) {
  for (const std::string& directory : directories) {
    // An empty entry is the working directory.
    const std::filesystem::path path =
        std::filesystem::path(directory.empty() ? "." : directory) / name;
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) {
      return path.lexically_normal().string();
    }
  }
  return "";
}

std::vector<std::string> LibraryPath(const env::Variables& variables) {
  const auto found = variables.find("LD_LIBRARY_PATH");
  if (found == variables.end() || found->second.empty()) return {};
  return absl::StrSplit(found->second, absl::ByAnyChar(":;"));
}

}  // namespace

bool IsElf(absl::string_view head) {
  return absl::StartsWith(head, absl::string_view(ELFMAG, SELFMAG));
}

absl::StatusOr<ElfDependencies> ReadElfDependencies(const std::string& path) {
  ElfFile file(path);
  if (!file.is_open()) {
    return absl::NotFoundError(absl::StrCat(path, ": can't be read"));
  }
  const absl::Status damaged =
      absl::InvalidArgumentError(absl::StrCat(path, ": is no ELF file"));
  const auto header = file.Read<Elf64_Ehdr>(0);
  if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_ident[EI_DATA] != kThisByteOrder ||
      header->e_phentsize != sizeof(Elf64_Phdr) ||
      header->e_phnum > kMostSegments) {
    return damaged;
  }
  std::vector<Segment> loaded;
  std::optional<Segment> dynamic_segment;
  for (uint64_t i = 0; i < header->e_phnum; ++i) {
    const auto part =
        file.Read<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!part) return damaged;
    const Segment segment{part->p_vaddr, part->p_filesz, part->p_offset};
    if (part->p_type == PT_LOAD) loaded.push_back(segment);
    if (part->p_type == PT_DYNAMIC) dynamic_segment = segment;
  }
  ElfDependencies dependencies;
  if (!dynamic_segment) return dependencies;  // linked statically
  const std::optional<Dynamic> dynamic = ReadDynamic(file, *dynamic_segment);
  if (!dynamic) return damaged;
  const std::optional<uint64_t> strings = PlaceOf(loaded, dynamic->strings);
  if (!strings) return damaged;
  const std::string origin =
      std::filesystem::absolute(path).parent_path().string();
  for (const uint64_t at : dynamic->needed) {
    std::optional<std::string> name = file.ReadText(*strings + at);
    if (!name) return damaged;
    dependencies.needed.push_back(*std::move(name));
  }
  const auto add = [&](const std::vector<uint64_t>& lists,
                       std::vector<std::string>* into) {
    for (const uint64_t at : lists) {
      const std::optional<std::string> list = file.ReadText(*strings + at);
      if (!list) return false;
      *into = Directories(*list, origin);
    }
    return true;
  };
  if (!add(dynamic->rpath, &dependencies.rpath) ||
      !add(dynamic->runpath, &dependencies.runpath)) {
    return damaged;
  }
  return dependencies;
}

FoundLibrary FindNeeded(const ElfDependencies& file, const std::string& name,
                        const env::Variables& variables) {
  if (file.runpath.empty()) {
    const std::string own = FindIn(file.rpath, name);
    if (!own.empty()) return {own, false};
  }
  FoundLibrary found = FindByLibraryPath(name, variables);
  if (found.path.empty()) found.path = FindIn(file.runpath, name);
  return found;
}

FoundLibrary FindByLibraryPath(const std::string& name,
                               const env::Variables& variables) {
  const std::string path = FindIn(LibraryPath(variables), name);
  return {path, !path.empty()};
}

}  // namespace muster::fabric
