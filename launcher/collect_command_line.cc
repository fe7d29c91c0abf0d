#include "launcher/collect_command_line.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "launcher/endpoint.h"
#include "launcher/flag_codec.h"
#include "launcher/flag_values.h"
#include "launcher/flags.h"
#include "launcher/size.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

using Strings = std::vector<std::string>;

// A test or a supervisor may want any free port: HOST:0.
absl::Status ReadListen(const std::string& value, CollectCommand* command) {
  absl::string_view text = value;
  const bool any_port =
      absl::ConsumeSuffix(&text, ":0") && !absl::EndsWith(text, ":");
  const absl::StatusOr<Endpoint> endpoint =
      ParseEndpoint(any_port ? text : value, kDefaultCollectorPort);
  if (!endpoint.ok()) return endpoint.status();
  command->host = endpoint->host;
  command->port = any_port ? 0 : endpoint->port;
  return absl::OkStatus();
}

absl::Status ReadQuota(const std::string& value, CollectCommand* command) {
  const absl::StatusOr<uint64_t> bytes = ParseSize(value);
  if (!bytes.ok()) return bytes.status();
  if (*bytes == 0) return Must("at least one byte; leave it out for no bound");
  command->run_quota = *bytes;
  return absl::OkStatus();
}

struct CollectFlag {
  const char* name;
  bool is_switch = false;
  absl::Status (*read)(const std::string& value, CollectCommand* command);
};

template <const Codec* codec>
absl::Status ReadSecurity(const std::string& value, CollectCommand* command) {
  return codec->read(value, &command->security);
}

const CollectFlag kCollectFlags[] = {
    {.name = "dir",
     .read =
         [](const std::string& value, CollectCommand* command) {
           command->directory = value;
           return absl::OkStatus();
         }},
    {.name = "listen", .read = ReadListen},
    {.name = "run-quota", .read = ReadQuota},
    {.name = "token-file", .read = ReadSecurity<&kTokenFileCodec>},
    {.name = "tls-cert", .read = ReadSecurity<&kTlsCertCodec>},
    {.name = "tls-key", .read = ReadSecurity<&kTlsKeyCodec>},
    {.name = "tls-ca", .read = ReadSecurity<&kTlsCaCodec>},
    {.name = "insecure",
     .is_switch = true,
     .read = ReadSecurity<&kInsecureCodec>},
};

// Whether only this host can reach it.
bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         (absl::StartsWith(host, "127.") && IsNumericAddress(host));
}

// Job: one command line, from its arguments to a command or all mistakes.
// Life cycle: made, Parse() once, thrown away. Threads: one.
class Parser {
 public:
  explicit Parser(const std::map<std::string, std::string>& variables)
      : variables_(variables) {}

  ParsedCollect Parse(const Strings& arguments) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& word = arguments[i];
      if (word == "--help" || word == "-h") return CollectHelpWanted{};
      const bool has_next = i + 1 < arguments.size();
      if (ReadFlag(word, has_next ? &arguments[i + 1] : nullptr)) ++i;
    }
    for (const CollectFlag& flag : kCollectFlags) ReadVariable(flag);
    Check();
    if (!mistakes_.empty()) return std::move(mistakes_);
    return std::move(command_);
  }

 private:
  // Whether it took the next argument as well.
  bool ReadFlag(const std::string& word, const std::string* next) {
    const size_t equals = word.find('=');
    const std::string written = word.substr(0, equals);
    const std::string name = absl::StrReplaceAll(written, {{"_", "-"}});
    const auto* const flag =
        std::find_if(std::begin(kCollectFlags), std::end(kCollectFlags),
                     [&name](const CollectFlag& known) {
                       return name == absl::StrCat("--", known.name);
                     });
    if (flag == std::end(kCollectFlags)) {
      Unknown(written);
      return false;
    }
    if (!given_.insert(flag->name).second) {
      mistakes_.push_back(absl::StrCat(name, ": given more than once"));
    }
    if (equals != std::string::npos) {
      Read(*flag, name + "=", word.substr(equals + 1));
      return false;
    }
    if (flag->is_switch) {
      Read(*flag, name, "true");
      return false;
    }
    if (next == nullptr || absl::StartsWith(*next, "--")) {
      mistakes_.push_back(absl::StrCat(name, ": needs a value"));
      return false;
    }
    Read(*flag, name + " ", *next);
    return true;
  }

  void Unknown(const std::string& written) {
    if (written == "--token") {
      mistakes_.push_back(
          "--token: never in argv: use MUSTER_TOKEN or --token-file");
      return;
    }
    Strings names;
    for (const CollectFlag& flag : kCollectFlags) {
      names.push_back(absl::StrCat("--", flag.name));
    }
    const std::string nearest = Nearest(written, names);
    mistakes_.push_back(absl::StrCat(
        Printable(written), ": no flag of muster collect",
        nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
  }

  void ReadVariable(const CollectFlag& flag) {
    if (given_.count(flag.name) != 0) return;
    const std::string name = absl::StrCat(
        "MUSTER_",
        absl::AsciiStrToUpper(absl::StrReplaceAll(flag.name, {{"-", "_"}})));
    const auto variable = variables_.find(name);
    if (variable == variables_.end() || variable->second.empty()) return;
    given_.insert(flag.name);
    Read(flag, name + "=", variable->second);
  }

  void Read(const CollectFlag& flag, const std::string& source,
            const std::string& value) {
    const absl::Status status = value.empty()   ? Must("something")
                                : IsUtf8(value) ? flag.read(value, &command_)
                                                : Must("UTF-8");
    if (status.ok()) return;
    mistakes_.push_back(absl::StrCat(source, Printable(value), ": ",
                                     Printable(status.message())));
  }

  void Check() {
    if (given_.count("dir") == 0) {
      mistakes_.push_back("no directory: give --dir DIR");
    }
    if (given_.count("listen") == 0) {
      mistakes_.push_back("nowhere to listen: give --listen HOST[:PORT]");
    }
    const JobSpec& security = command_.security;
    const size_t files = given_.count("tls-cert") + given_.count("tls-key") +
                         given_.count("tls-ca");
    if (files != 0 && files != 3) {
      mistakes_.push_back(
          "--tls-cert, --tls-key and --tls-ca: give all three or none");
    }
    if (files != 0 && security.insecure()) {
      mistakes_.push_back("--insecure and --tls-cert: give one of them");
    }
    const auto token = variables_.find("MUSTER_TOKEN");
    const bool has_token =
        !security.token_file().empty() ||
        (token != variables_.end() && !token->second.empty());
    if (!command_.host.empty() && !IsLoopback(command_.host) && files == 0 &&
        !has_token && !security.insecure()) {
      mistakes_.push_back(absl::StrCat(
          "--listen ", Printable(command_.host),
          ": other hosts reach it, so it needs a token: set MUSTER_TOKEN to "
          "that of the jobs, or say --insecure"));
    }
  }

  const std::map<std::string, std::string>& variables_;
  CollectCommand command_;
  std::set<std::string> given_;
  Strings mistakes_;
};

constexpr char kCollectHelp[] =
    R"(Usage: muster collect --dir DIR --listen HOST[:PORT] [flags]

A collector of its own, for many jobs: it outlives them, and what they wrote can
be looked at in one place. A job sends its output there with

  muster run --collector HOST[:PORT] ... -- COMMAND

Each run is a directory of DIR, as it is in --run-dir of a job that collects by
itself: logs/, nodes/, run.json, events.jsonl, report.json. What a node is told
to be safe is on the disk. The collector can be stopped, killed and started
again at any time: the nodes keep what is not acknowledged, come again and go on
where they were.

Each flag can be given as a variable as well: MUSTER_DIR is --dir. A flag beats
a variable.

  --dir DIR
      Where the runs are kept; made where it is missing. One collector at a
      time.
  --listen HOST[:PORT]
      The address to listen on; 0.0.0.0 for all of this host's. Default port:
      29401; 0 for any free one.
  --run-quota SIZE
      No run may hold more, as in 500GiB. A run over it is refused and tries
      again; the others go on. Default: no bound.

Security
  --token-file FILE
      File with the token of the jobs that send. Default: MUSTER_TOKEN. On a
      loopback address there need not be one.
  --tls-cert FILE, --tls-key FILE, --tls-ca FILE
      Certificates of your own instead, as PEM.
  --insecure
      No token and no encryption on any address.

Example
  export MUSTER_TOKEN=...   # the one of the jobs
  muster collect --dir /data/runs --listen 0.0.0.0

Exit codes
  0    SIGTERM or SIGINT: nodes come again when a collector is there again
  64   the command line is wrong, DIR can't be written, or HOST is not this
       host's
  70   the disk failed: the path is said, and nothing more was acknowledged
  78   another collector uses DIR, or another program the port
)";

}  // namespace

ParsedCollect ParseCollect(
    const Strings& arguments,
    const std::map<std::string, std::string>& variables) {
  return Parser(variables).Parse(arguments);
}

std::string CollectHelp() { return kCollectHelp; }

}  // namespace muster::launcher
