#include "launcher/fabric/node_test.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "asio/post.hpp"
#include "launcher/fabric/node_facts.h"

namespace muster::fabric {
namespace {

constexpr char kGlooProbe[] = "muster-gloo-probe";

// Before any probe of a round.
constexpr uint32_t kLookerId = process::kFirstProbeId - 1;

// Beside this executable.
std::string GlooProbe(const std::string& program) {
  return std::filesystem::path(program).replace_filename(kGlooProbe).string();
}

}  // namespace

NodeTest::NodeTest(asio::io_context& loop, process::ServiceKeeper keeper,
                   NodeTestOptions options, NodeTestCallbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)) {}

NodeTest::~NodeTest() {
  looker_.reset();
  probes_.reset();
  if (log_directory_.empty() || keep_logs_) return;
  std::error_code ignored;
  std::filesystem::remove_all(log_directory_, ignored);
}

bool NodeTest::Handle(const CoordinatorMessage& message) {
  switch (message.body_case()) {
    case CoordinatorMessage::kFabricStart:
      Start(message.fabric_start());
      return true;
    case CoordinatorMessage::kFabricRound:
      if (probes_) probes_->Run(message.fabric_round());
      return true;
    case CoordinatorMessage::kStoreValue:
      if (probes_) probes_->Value(message.store_value());
      return true;
    case CoordinatorMessage::kFabricStop:
      if (probes_) probes_->Stop(message.fabric_stop());
      return true;
    default:
      return false;
  }
}

void NodeTest::Start(const FabricStart& start) {
  address_ = start.address();
  probes_ = std::make_unique<NodeProbes>(
      loop_, keeper_,
      NodeProbesOptions{
          .node = start.node(),
          .request = [this](FabricKind kind, uint32_t gpu,
                            bool apart) { return Request(kind, gpu, apart); },
          .log_of = [this](uint32_t gpu) { return LogOf(gpu); }},
      NodeProbesCallbacks{.on_store =
                              [this](const StoreRequest& request) {
                                AgentMessage message;
                                *message.mutable_store() = request;
                                callbacks_.send(std::move(message));
                              },
                          .on_result =
                              [this](const SlotResult& result) {
                                keep_logs_ = keep_logs_ || result.has_failed();
                                AgentMessage message;
                                *message.mutable_slot_result() = result;
                                callbacks_.send(std::move(message));
                              },
                          .on_closed =
                              [this](const std::string& problem) {
                                callbacks_.on_closed(problem);
                              }});
  inventory_ = NodeFacts(address_);
  inventory_.set_pretended(options_.pretended);
  const std::string gloo = GlooProbe(options_.program);
  if (access(gloo.c_str(), X_OK) != 0) {
    inventory_.set_gloo_problem(absl::StrCat(
        gloo, " is not there; install it beside muster, with libgloo0"));
  }
  LookAtGpus(start.kind());
}

// Pretended GPUs are looked at only where NCCL was asked for: there may be
// libraries that pretend, too.
void NodeTest::LookAtGpus(FabricKind kind) {
  const bool wanted =
      kind == FABRIC_NCCL || (kind == FABRIC_AUTO && !options_.pretended);
  if (!wanted || options_.gpus.empty()) return SendInventory();
  ChooseLibrary();
  MakeLogDirectory();
  looker_ = std::make_unique<ProbeProcess>(
      loop_, keeper_, kLookerId,
      ProbeProcess::Callbacks{
          .on_event =
              [this](const ProbeEvent& event) {
                if (event.has_inventory()) GotInventory(event.inventory());
              },
          .on_gone = [this](const ProbeEnd& end) { LookerEnded(end); }});
  process::SpawnRequest request;
  request.argv = {options_.program, "fabric-probe", "--inventory"};
  for (std::string& word : LibraryFlag()) {
    request.argv.push_back(std::move(word));
  }
  auto environment = EnvironmentOf("");
  // Those that have probes, in their order, and no others.
  environment["CUDA_VISIBLE_DEVICES"] = absl::StrJoin(options_.gpus, ",");
  request.env.assign(environment.begin(), environment.end());
  looker_->Start(std::move(request));
}

// Pretended GPUs need a library that pretends, which the job's Python has not:
// the loader's.
void NodeTest::ChooseLibrary() {
  if (options_.pretended && options_.nccl_library.empty()) return;
  std::error_code gone;
  nccl_ =
      ChooseNccl({.nccl_library = options_.nccl_library,
                  .command = options_.command,
                  .variables = options_.environment,
                  .directory = std::filesystem::current_path(gone).string()});
}

std::vector<std::string> NodeTest::LibraryFlag() const {
  if (nccl_.file.empty()) return {};
  return {"--nccl-library", nccl_.file};
}

void NodeTest::GotInventory(const FabricInventory& seen) {
  inventory_.MergeFrom(seen);
  inventory_.set_nccl_origin(nccl_.origin);
  if (!seen.nccl_problem().empty()) {
    inventory_.set_nccl_problem(NcclProblemText(nccl_, seen.nccl_problem()));
  }
  SendInventory();
}

void NodeTest::LookerEnded(const ProbeEnd& end) {
  looker_ended_ = true;
  if (!inventory_sent_) {
    inventory_.set_nccl_problem(
        absl::StrCat("the look at its GPUs ", end.how, "; ", end.last_words));
    SendInventory();
  }
  probes_->Buried(kLookerId);
}

void NodeTest::SendInventory() {
  if (std::exchange(inventory_sent_, true)) return;
  AgentMessage message;
  *message.mutable_fabric_inventory() = inventory_;
  callbacks_.send(std::move(message));
}

std::map<std::string, std::string> NodeTest::EnvironmentOf(
    const std::string& gpu_name) const {
  auto environment = options_.environment;
  environment[kProbeVariable] = absl::StrCat(options_.host_name, "/", gpu_name);
  return environment;
}

process::SpawnRequest NodeTest::Request(FabricKind kind, uint32_t gpu,
                                        bool hosts_apart) const {
  process::SpawnRequest request;
  auto environment = EnvironmentOf(absl::StrCat(gpu));
  if (kind == FABRIC_NCCL) {
    request.argv = {options_.program, "fabric-probe"};
    for (std::string& word : LibraryFlag()) {
      request.argv.push_back(std::move(word));
    }
    if (!log_directory_.empty()) {
      request.argv.insert(request.argv.end(), {"--log", LogOf(gpu)});
    }
    if (hosts_apart) {
      request.argv.insert(request.argv.end(),
                          {"--host-id", options_.host_name});
    }
    if (gpu < options_.gpus.size()) {
      environment["CUDA_VISIBLE_DEVICES"] = options_.gpus[gpu];
    }
  } else {
    request.argv = {GlooProbe(options_.program), "--address", address_};
  }
  request.env.assign(environment.begin(), environment.end());
  return request;
}

std::string NodeTest::LogOf(uint32_t gpu) const {
  return log_directory_.empty()
             ? ""
             : absl::StrCat(log_directory_, "/gpu", gpu, ".log");
}

void NodeTest::MakeLogDirectory() {
  const auto temp = options_.environment.find("TMPDIR");
  std::string name =
      absl::StrCat(temp == options_.environment.end() ? "/tmp" : temp->second,
                   "/muster-fabric-", options_.host_name, "-XXXXXX");
  if (mkdtemp(name.data())) log_directory_ = name;
}

void NodeTest::Close() {
  inventory_sent_ = true;
  if (!probes_) {
    asio::post(loop_, [on_closed = callbacks_.on_closed] { on_closed(""); });
    return;
  }
  if (looker_ && !looker_ended_) probes_->Bury(std::move(looker_));
  probes_->Close();
}

}  // namespace muster::fabric
