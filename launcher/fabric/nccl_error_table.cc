#include "launcher/fabric/nccl_error_table.h"

#include <iterator>

namespace muster::fabric {
namespace {

using absl::string_view;

constexpr string_view kCheckLink =
    "ibstatus {hca} here and there; ib_write_bw -d {hca} {peer} between the "
    "two";
constexpr string_view kCheckGpu = "nvidia-smi -q; dmesg | grep -i xid";
constexpr string_view kCheckMemlock =
    "ulimit -l, which must be unlimited; in containers --ulimit memlock=-1 "
    "--cap-add IPC_LOCK";
constexpr string_view kCheckPort =
    "ibstatus {hca}; ibv_devinfo -d {hca} -v; dmesg | grep -i mlx5";
constexpr string_view kCheckReach =
    "ip route get {peer}; set NCCL_SOCKET_IFNAME to the interface that leads "
    "there; open the ports of net.ipv4.ip_local_port_range";

// Formats are those of NCCL 2.4 to 2.30.
constexpr NcclErrorRow kRows[] = {
    // CUDA.
    {"Cuda failure", "insufficient for CUDA runtime", NcclBlame::kNode,
     "the GPU driver is missing or too old for this NCCL",
     "nvidia-smi; use an NCCL built for the driver's CUDA version"},
    {"Cuda failure", "no CUDA-capable device", NcclBlame::kGpu,
     "CUDA sees no GPU",
     "nvidia-smi -L; echo $CUDA_VISIBLE_DEVICES; dmesg | grep -i xid"},
    {"Cuda failure", "uncorrectable", NcclBlame::kGpu,
     "the GPU's memory has uncorrectable errors",
     "nvidia-smi -q -d ECC,ROW_REMAPPER; then reset the GPU or reboot"},
    {"Cuda failure", "ECC", NcclBlame::kGpu,
     "the GPU's memory has uncorrectable errors",
     "nvidia-smi -q -d ECC,ROW_REMAPPER; then reset the GPU or reboot"},
    {"Cuda failure", "out of memory", NcclBlame::kGpu,
     "the GPU's memory is full", "nvidia-smi, for who else uses the GPU"},
    {"Cuda failure", "unspecified launch failure", NcclBlame::kGpu,
     "a kernel failed on the GPU", kCheckGpu},
    {"Cuda failure", "illegal memory access", NcclBlame::kGpu,
     "a kernel failed on the GPU", kCheckGpu},
    {"Cuda failure", "launch timed out", NcclBlame::kGpu,
     "a kernel hung on the GPU", kCheckGpu},
    {"Cuda failure", "NVLink", NcclBlame::kGpu, "an NVLink of the GPU failed",
     "nvidia-smi nvlink -s; nvidia-smi nvlink -e; dmesg | grep -i xid"},
    {"Cuda failure", "system not yet initialized", NcclBlame::kNode,
     "the NVSwitches are not set up",
     "systemctl status nvidia-fabricmanager; nvidia-smi -q | grep -A2 Fabric"},
    {"Cuda failure 800", "", NcclBlame::kNode,
     "memory may not be shared with other nodes of the NVLink domain",
     "ls /dev/nvidia-caps-imex-channels; nvidia-imex-ctl -N"},
    {"Cuda failure", "operation not permitted", NcclBlame::kNode,
     "memory may not be shared with other nodes of the NVLink domain",
     "ls /dev/nvidia-caps-imex-channels; nvidia-imex-ctl -N"},
    {"MNNVL", "not working", NcclBlame::kNode,
     "the NVLink domain's memory service (IMEX) does not work",
     "nvidia-imex-ctl -N; ls /dev/nvidia-caps-imex-channels"},
    {"failed to bind NVLink SHARP", "", NcclBlame::kNode,
     "in-switch reduction (NVLS) does not work",
     "systemctl status nvidia-fabricmanager; NCCL_NVLS_ENABLE=0 does without "
     "it"},
    // How the node is set up.
    {"/dev/shm", "failed to extend", NcclBlame::kNode, "/dev/shm is too small",
     "df -h /dev/shm; in containers --shm-size=1g or more"},
    {"/dev/shm", "shared memory segment", NcclBlame::kNode,
     "/dev/shm is too small, or can't be used",
     "df -h /dev/shm; in containers --shm-size=1g or more"},
    {"shmget", "", NcclBlame::kNode, "/dev/shm is too small, or can't be used",
     "df -h /dev/shm; in containers --shm-size=1g or more"},
    {"ibv_", "Cannot allocate memory", NcclBlame::kNode,
     "too little memory may be locked for RDMA", kCheckMemlock},
    {"ibv_reg_", "Bad address", NcclBlame::kNode,
     "GPU memory can't be registered with the NIC",
     "lsmod | grep nvidia_peermem; NCCL_NET_GDR_LEVEL=LOC does without it"},
    {"ibv_create_qp failed", "", NcclBlame::kNode,
     "too little memory may be locked for RDMA", kCheckMemlock},
    {"ibv_create_cq failed", "", NcclBlame::kNode,
     "too little memory may be locked for RDMA", kCheckMemlock},
    {"ibv_reg_", "failed", NcclBlame::kNode,
     "too little memory may be locked for RDMA", kCheckMemlock},
    {"ibv_modify_qp failed", "No such device", NcclBlame::kNode,
     "the NIC's GID is not of this network namespace, or the NIC is gone",
     "show_gids; set NCCL_IB_GID_INDEX to the RoCE v2 entry; in containers "
     "use the host's network"},
    {"ibv_modify_qp failed", "timed out", NcclBlame::kLink,
     "the NIC does not reach the other's: no route or no answer between their "
     "subnets",
     "show_gids on both; ping the address of the other's NIC; see that "
     "NCCL_IB_HCA names NICs of one network"},
    {"ibv_modify_qp failed", "unreachable", NcclBlame::kLink,
     "the NIC does not reach the other's: no route between their subnets",
     "show_gids on both; ping the address of the other's NIC; see that "
     "NCCL_IB_HCA names NICs of one network"},
    {"ibv_modify_qp failed", "", NcclBlame::kNode,
     "wrong GID index for RoCE, or NICs of different networks",
     "show_gids on both; set NCCL_IB_GID_INDEX and NCCL_IB_HCA alike on all "
     "nodes"},
    {"no socket interface found", "", NcclBlame::kNode,
     "no interface is fit for NCCL's bootstrap",
     "ip -br addr; echo $NCCL_SOCKET_IFNAME"},
    {"verify NCCL_OOB_NET_IFNAME", "", NcclBlame::kNode,
     "no interface of the name that is asked for",
     "ip -br addr; echo $NCCL_SOCKET_IFNAME $NCCL_OOB_NET_IFNAME"},
    {"no usable listening interface", "", NcclBlame::kNode,
     "no interface is fit for NCCL's bootstrap",
     "ip -br addr; echo $NCCL_SOCKET_IFNAME"},
    {"pthread_create failed", "", NcclBlame::kNode,
     "no more threads may be started",
     "ulimit -u; cat /sys/fs/cgroup/pids.max"},
    {"Too many open files", "", NcclBlame::kNode, "too few files may be open",
     "ulimit -n, which should be 65536 or more"},
    {"Duplicate GPU detected", "", NcclBlame::kJob,
     "two ranks were given one GPU",
     "echo $CUDA_VISIBLE_DEVICES, for each local rank"},
    {"using the same GPU", "", NcclBlame::kJob, "two ranks were given one GPU",
     "echo $CUDA_VISIBLE_DEVICES, for each local rank"},
    {"Mismatched NCCL version", "", NcclBlame::kJob,
     "the nodes load different versions of NCCL",
     "give every node the same image, or one with --nccl-library"},
    {"NCCL version mismatch", "", NcclBlame::kJob,
     "the nodes load different versions of NCCL",
     "give every node the same image, or one with --nccl-library"},
    {"message truncated", "", NcclBlame::kJob,
     "the ranks expect different amounts: their NCCL_ALGO or NCCL_PROTO "
     "differ, or something else speaks to that port",
     "env | grep NCCL_, on all nodes"},
    {"Bootstrap Root", "mismatch in info", NcclBlame::kJob,
     "the ranks do not agree how many they are",
     "env | grep NCCL_, on all nodes"},
    {"didn't receive a valid magic", "", NcclBlame::kJob,
     "something that is not this job connected to NCCL's port",
     "keep port scanners off, or set NCCL_SOCKET_IFNAME to a private network"},
    {"attempted to connect incompatible devices", "", NcclBlame::kJob,
     "InfiniBand and RoCE NICs were paired",
     "set NCCL_IB_HCA to NICs of one kind, alike on all nodes"},
    {"device is incompatible with the local", "", NcclBlame::kJob,
     "InfiniBand and RoCE NICs were paired",
     "set NCCL_IB_HCA to NICs of one kind, alike on all nodes"},
    // NICs and links.
    {"async fatal event", "", NcclBlame::kNic,
     "{hca} reported a fatal event: its port went down or the NIC failed",
     kCheckPort},
    {"GID table changed", "", NcclBlame::kNic,
     "the addresses of {hca} changed while it was in use", kCheckPort},
    {"Got completion from peer", "status 12", NcclBlame::kLink,
     "{peer} did not answer {hca}: cable, port, partition, MTU or route "
     "between "
     "the two",
     kCheckLink},
    {"Got completion from peer", "status 13", NcclBlame::kPeer,
     "{peer} was not ready to receive: it hangs or is overloaded",
     "the log of {peer}"},
    {"Got completion from peer", "status 4", NcclBlame::kNode,
     "{hca} was not let at the GPU's memory: PCIe access control (ACS), the "
     "IOMMU or nvidia_peermem",
     "lspci -vvv | grep ACSCtl; lsmod | grep nvidia_peermem; dmesg | grep -i "
     "iommu"},
    {"Got completion from peer", "status 5", NcclBlame::kUnclear,
     "the connection with {peer} had failed before",
     "the first warning of both logs"},
    {"Got completion from peer", "status 9", NcclBlame::kPeer,
     "{peer} refused the request", "the log of {peer}"},
    {"Got completion from peer", "status 10", NcclBlame::kPeer,
     "{peer} refused access to its memory: access control (ACS), the IOMMU or "
     "a restarted process",
     "the log of {peer}; there: lspci -vvv | grep ACSCtl"},
    {"Got completion from peer", "status 11", NcclBlame::kPeer,
     "{peer} could not carry out the request", "the log of {peer}"},
    {"Got completion from peer", "", NcclBlame::kLink,
     "RDMA between {hca} and {peer} failed", kCheckLink},
    {"Connection closed by localRank", "", NcclBlame::kPeer,
     "another rank of this node ended", "the logs of the other ranks"},
    {"Connection closed by remote peer", "", NcclBlame::kPeer,
     "the process on {peer} ended",
     "the log of {peer}; who ended first is the "
     "cause"},
    {"Connection reset by peer", "", NcclBlame::kPeer,
     "the process on {peer} ended, or a firewall cut the connection",
     "the log of {peer}"},
    {"Broken pipe", "", NcclBlame::kPeer, "the process on {peer} ended",
     "the log of {peer}"},
    {"connect to", "refused", NcclBlame::kPeer,
     "nobody listens at {peer}: the process there ended, or the address is "
     "that "
     "of another network",
     kCheckReach},
    {"connect to", "route to host", NcclBlame::kLink,
     "there is no way to {peer}: wrong interface, or a firewall", kCheckReach},
    {"connect to", "unreachable", NcclBlame::kLink,
     "there is no way to {peer}: wrong interface", kCheckReach},
    {"connect to", "timed out", NcclBlame::kLink,
     "{peer} did not answer: wrong interface, or a firewall", kCheckReach},
    {"connect to", "exceeded error retry count", NcclBlame::kLink,
     "{peer} can't be reached: wrong interface, or a firewall", kCheckReach},
    {"connect to", "fail", NcclBlame::kLink,
     "{peer} can't be reached: wrong interface, or a firewall", kCheckReach},
    {"connect to", "returned", NcclBlame::kLink,
     "{peer} can't be reached: wrong interface, or a firewall", kCheckReach},
    // Whatever else CUDA says.
    {"Cuda failure", "", NcclBlame::kGpu, "a call of CUDA failed", kCheckGpu},
    {"CUDA error", "", NcclBlame::kGpu, "a call of CUDA failed", kCheckGpu},
    {"Failed to CUDA", "", NcclBlame::kGpu, "CUDA memory can't be had",
     "nvidia-smi, for who else uses the GPU"},
};

// Where only the code is known; by code.
constexpr NcclErrorRow kByCode[] = {
    {"", "", NcclBlame::kUnclear, "it reported no error", "NCCL's log"},
    {"", "", NcclBlame::kGpu, "a call of CUDA failed", kCheckGpu},
    {"", "", NcclBlame::kNode, "a call of the system failed", "NCCL's log"},
    {"", "", NcclBlame::kUnclear, "NCCL failed in itself", "NCCL's log"},
    {"", "", NcclBlame::kJob, "NCCL was given a wrong argument", "NCCL's log"},
    {"", "", NcclBlame::kJob, "NCCL was used in a wrong way", "NCCL's log"},
    {"", "", NcclBlame::kPeer,
     "another rank ended, or the network between them failed",
     "the logs of the other ranks"},
    {"", "", NcclBlame::kUnclear,
     "it did not end in time: another rank did not come, or messages are lost",
     "open the ports of net.ipv4.ip_local_port_range between the nodes; set "
     "NCCL_SOCKET_IFNAME to an interface that all of them share"},
    {"", "", NcclBlame::kUnclear,
     "it did not end in time: another rank did not come, or messages are lost",
     "open the ports of net.ipv4.ip_local_port_range between the nodes; set "
     "NCCL_SOCKET_IFNAME to an interface that all of them share"},
};

}  // namespace

absl::Span<const NcclErrorRow> NcclErrorRows() { return kRows; }

const NcclErrorRow* NcclErrorRowOfCode(int code) {
  const bool known = code >= 0 && code < static_cast<int>(std::size(kByCode));
  return known ? &kByCode[code] : nullptr;
}

}  // namespace muster::fabric
