#include "launcher/fabric/nccl/inventory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "launcher/fabric/nccl/management.h"
#include "launcher/fabric/probe_messages.h"

namespace muster::fabric {

FabricInventory TakeNcclInventory(const NcclInventoryOptions& options) {
  ApplyEnvironment(options.environment,
                   MakeNcclEnvironment(options.environment, {}));
  FabricInventory inventory;
  std::optional<std::string> visible;
  const auto devices = options.environment.find("CUDA_VISIBLE_DEVICES");
  if (devices != options.environment.end()) visible = devices->second;
  if (absl::Status status = AddGpuFacts(visible, &inventory); !status.ok()) {
    inventory.add_notes(
        absl::StrCat("no GPUs: ", std::string(status.message())));
  }
  AddNcclLibrary(options.nccl_library, &inventory);
  return inventory;
}

int PrintNcclInventory(const NcclInventoryOptions& options) {
  // A library's own words must not stand in the message.
  const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  ProbeEvent event;
  *event.mutable_inventory() = TakeNcclInventory(options);
  const std::string bytes = EncodeProbeMessage(event);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t size = write(out, bytes.data() + done, bytes.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return 1;
    done += static_cast<size_t>(size);
  }
  return 0;
}

}  // namespace muster::fabric
