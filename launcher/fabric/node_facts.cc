#include "launcher/fabric/node_facts.h"

#include "env/hardware/interfaces.h"
#include "env/hardware/limits.h"
#include "env/hardware/nics.h"

namespace muster::fabric {

FabricInventory NodeFacts(const std::string& address) {
  FabricInventory facts;
  for (const env::Nic& nic : env::ListNics()) {
    NicFacts* told = facts.add_nics();
    told->set_name(nic.name);
    told->set_layer(nic.layer);
    told->set_active(nic.active);
    told->set_gbps(nic.gbps);
    told->set_state(nic.state);
  }
  facts.set_memlock_bytes(env::MemlockLimit());
  facts.set_shm_bytes(env::SharedMemorySize());
  facts.set_boot_id(env::BootId());
  if (const auto interface = env::InterfaceOf(address); interface.ok()) {
    facts.set_interface(*interface);
    facts.set_interface_gbps(env::InterfaceGbps(*interface));
  }
  return facts;
}

}  // namespace muster::fabric
