// How the value of each flag is read into a JobSpec, and written back.
#ifndef MUSTER_LAUNCHER_FLAG_VALUES_H_
#define MUSTER_LAUNCHER_FLAG_VALUES_H_

#include "launcher/flag_codec.h"

namespace muster::launcher {

extern const Codec kFrameworkCodec;
extern const Codec kMpiArgumentsCodec;
extern const Codec kNodesCodec;
extern const Codec kJobIdCodec;
extern const Codec kBackendCodec;
extern const Codec kInitMethodCodec;
extern const Codec kWorkersPerNodeCodec;
extern const Codec kWorkerCountCodec;
extern const Codec kParameterServerCountCodec;
extern const Codec kChiefCodec;
extern const Codec kEvaluatorCodec;
extern const Codec kBasePortCodec;
extern const Codec kGpuBindingCodec;
extern const Codec kEndpointCodec;
extern const Codec kHostFileCodec;
extern const Codec kHostDnsCodec;
extern const Codec kSchedulerCodec;
extern const Codec kEnvLevelCodec;
extern const Codec kNodeRankCodec;
extern const Codec kAdvertiseCodec;
extern const Codec kHostNameCodec;
extern const Codec kJoinTimeoutCodec;
extern const Codec kHeartbeatCodec;
extern const Codec kNodeTimeoutCodec;
extern const Codec kStopGraceCodec;
extern const Codec kWorkerEnvCodec;
extern const Codec kLogDirCodec;
extern const Codec kOutputDirCodec;
extern const Codec kCollectorCodec;
extern const Codec kCollectorInsecureCodec;
extern const Codec kSpoolDirCodec;
extern const Codec kSpoolSizeCodec;
extern const Codec kSpoolFullCodec;
extern const Codec kCollectTimeoutCodec;
extern const Codec kRunDirCodec;
extern const Codec kConsoleCodec;
extern const Codec kReportFileCodec;
extern const Codec kRunIdCodec;
extern const Codec kInsecureCodec;
extern const Codec kTokenFileCodec;
extern const Codec kTlsCertCodec;
extern const Codec kTlsKeyCodec;
extern const Codec kTlsCaCodec;
extern const Codec kPretendGpusCodec;
extern const Codec kSharedDirCodec;
extern const Codec kInputCodec;
extern const Codec kOutputCodec;
extern const Codec kFabricCheckCodec;
extern const Codec kFabricSizeCodec;
extern const Codec kFabricRoundsCodec;
extern const Codec kFabricTimeoutCodec;
extern const Codec kExhaustiveCodec;
extern const Codec kStrictCodec;
extern const Codec kLimitLocalCodec;
extern const Codec kLimitNetworkCodec;
extern const Codec kNcclLibraryCodec;
// This takes only the value that means what this version does anyway.
extern const Codec kMaxRestartsCodec;

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_FLAG_VALUES_H_
