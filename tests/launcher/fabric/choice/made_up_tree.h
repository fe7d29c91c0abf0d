// Programs and libraries that are made up: nothing of them is ever run.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_CHOICE_MADE_UP_TREE_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_CHOICE_MADE_UP_TREE_H_

#include <elf.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace muster::fabric::test {

struct MadeUpElf {
  std::vector<std::string> needed = {"libc.so.6"};
  std::string rpath;
  std::string runpath;

  // The file: its header, two segments, the dynamic section and its strings.
  std::string Bytes() const {
    std::string strings(1, '\0');
    std::vector<Elf64_Dyn> entries;
    const auto add = [&](int64_t tag, const std::string& text) {
      Elf64_Dyn entry = {};
      entry.d_tag = tag;
      entry.d_un.d_val = strings.size();
      entries.push_back(entry);
      strings += text + '\0';
    };
    for (const std::string& name : needed) add(DT_NEEDED, name);
    if (!rpath.empty()) add(DT_RPATH, rpath);
    if (!runpath.empty()) add(DT_RUNPATH, runpath);
    const uint64_t dynamic = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    const uint64_t size = (entries.size() + 2) * sizeof(Elf64_Dyn);
    Elf64_Dyn table = {};
    table.d_tag = DT_STRTAB;
    table.d_un.d_ptr = kAddress + dynamic + size;
    entries.push_back(table);
    entries.push_back({});

    Elf64_Ehdr header = {};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    header.e_type = ET_DYN;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    Elf64_Phdr load = {};
    load.p_type = PT_LOAD;
    load.p_vaddr = kAddress;
    load.p_filesz = dynamic + size + strings.size();
    Elf64_Phdr section = {};
    section.p_type = PT_DYNAMIC;
    section.p_offset = dynamic;
    section.p_vaddr = kAddress + dynamic;
    section.p_filesz = size;

    std::string bytes;
    const auto append = [&bytes](const auto& part) {
      bytes.append(reinterpret_cast<const char*>(&part), sizeof part);
    };
    append(header);
    append(load);
    append(section);
    for (const Elf64_Dyn& entry : entries) append(entry);
    return bytes + strings;
  }

 private:
  // Unlike the place in the file.
  static constexpr uint64_t kAddress = 0x200000;
};

// What PyTorch's wheels say where NCCL is.
inline MadeUpElf TorchOfWheels() {
  return {.needed = {"libc10_cuda.so", "libnccl.so.2", "libc.so.6"},
          .rpath =
              "$ORIGIN/../../nvidia/cublas/lib:"
              "$ORIGIN/../../nvidia/nccl/lib:$ORIGIN",
          .runpath = ""};
}

// Job: a directory that stands for a machine's root.
// Life cycle: removed with this. Threads: one.
class MadeUpTree {
 public:
  // Links in the path of the temporary directory would be in the results.
  MadeUpTree() : root_(std::filesystem::canonical(directory_.path())) {}

  std::string At(const std::string& name) const {
    return (root_ / name).string();
  }

  // With the directories above it. Returns its path.
  std::string File(const std::string& name, const std::string& bytes = "") {
    const std::filesystem::path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    muster::test::WriteFile(path.string(), bytes);
    return path.string();
  }

  std::string Program(const std::string& name, const std::string& bytes) {
    const std::string path = File(name, bytes);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  std::string Binary(const std::string& name, const MadeUpElf& elf = {}) {
    return Program(name, elf.Bytes());
  }

  std::string Link(const std::string& name, const std::string& to) {
    const std::filesystem::path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::create_symlink(to, path);
    return path.string();
  }

  std::string Directory(const std::string& name) {
    std::filesystem::create_directories(root_ / name);
    return At(name);
  }

  // Its bin/python3 leads to `python`, which is below this root.
  std::string VirtualEnvironment(const std::string& name,
                                 const std::string& python,
                                 const std::string& settings = "") {
    File(name + "/pyvenv.cfg", "home = " + At("usr/bin") + "\n" + settings);
    Directory(name + "/lib/python3.11/site-packages");
    Link(name + "/bin/python", At(python));
    return Link(name + "/bin/python3", "python");
  }

 private:
  const muster::test::TempDir directory_;
  const std::filesystem::path root_;
};

}  // namespace muster::fabric::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_CHOICE_MADE_UP_TREE_H_
