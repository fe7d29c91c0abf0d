// The segments of a spool. The first byte says how the rest is meant: as a
// file as it is, or, so that the records are reached behind the checksums, as
// the payloads of frames, each with its length in two bytes before it.
#include <fcntl.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "launcher/framing/frame.h"
#include "launcher/streams/forwarder.h"
#include "launcher/streams/log_message.h"
#include "launcher/streams/spool_reader.h"
#include "tests/fuzz/target.h"
#include "tests/launcher/streams/ledger.h"

namespace muster::streams {
namespace {

using test::Require;

// One for the process.
struct Directory {
  Directory() {
    if (mkdtemp(path.data()) == nullptr) std::abort();
    fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~Directory() {
    close(fd);
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path =
      (std::filesystem::temp_directory_path() / "muster-fuzz-XXXXXX").string();
  int fd = -1;
};

std::string Framed(absl::string_view input) {
  std::string file = framing::EncodeFileHeader(
      {.kind = kSegmentKind, .version = kRecordVersion, .identity = 1});
  while (input.size() >= 2) {
    const size_t wanted = static_cast<size_t>(static_cast<uint8_t>(input[0])) |
                          static_cast<size_t>(static_cast<uint8_t>(input[1]))
                              << 8;
    input.remove_prefix(2);
    const absl::string_view payload = input.substr(0, wanted);
    input.remove_prefix(payload.size());
    const auto header = framing::EncodeFrameHeader(1, file.size(), {payload});
    file.append(header.data(), header.size());
    file.append(payload.data(), payload.size());
  }
  return file;
}

// Everything that the log holds goes to a collector that watches the protocol.
void Deliver(const Segments& segments) {
  constexpr uint64_t kWindow = 100'000;
  Ledger ledger;
  SpoolReader reader(segments);
  Forwarder forwarder;
  forwarder.Connect(ledger.Welcome(kWindow));
  uint64_t sent = 0;
  LogPosition position;
  for (Batch batch = reader.Read(); !batch.records.empty();
       batch = reader.Read()) {
    Require(batch.end > position, "every read comes further");
    position = batch.end;
    forwarder.Take(std::move(batch));
    do {
      while (const std::optional<LogMessage> message = forwarder.Next()) {
        ++sent;
        grpc::ByteBuffer buffer = EncodeLogMessage(*message, 1);
        LogUp up;
        Require(
            grpc::SerializationTraits<LogUp>::Deserialize(&buffer, &up).ok(),
            "a message is one");
        Require(ledger.Take(up).ok(), "the protocol is kept");
      }
      Require(forwarder.Acknowledge(sent).ok(), "messages are counted");
    } while (forwarder.HasQueued());
  }
}

}  // namespace
}  // namespace muster::streams

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::streams;
  static const Directory directory;
  if (size == 0) return 0;
  const std::string rest = muster::test::Text(data + 1, size - 1);
  for (const uint64_t number : {1, 2}) {
    std::ofstream(directory.path + "/" + SegmentName(number), std::ios::binary)
        << (data[0] % 2 == 0 ? rest : Framed(rest));
  }
  Segments segments(directory.fd);
  if (!segments.Scan().ok()) std::abort();
  Deliver(segments);
  return 0;
}
