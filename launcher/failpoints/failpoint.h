// Places where a test can stop this process dead, to see what recovery makes of
// it. There are none in release builds.
#ifndef MUSTER_LAUNCHER_FAILPOINTS_FAILPOINT_H_
#define MUSTER_LAUNCHER_FAILPOINTS_FAILPOINT_H_

namespace muster::failpoints {

// Kills this process (SIGKILL) when the variable MUSTER_FAILPOINT is
// "NAME" or "NAME:K" and this is the first or K-th time that the place of that
// name is reached. Any thread; costs a comparison of two strings where the
// variable is set, nothing where it is not.
void Reach(const char* name);

}  // namespace muster::failpoints

#ifdef MUSTER_FAILPOINTS
#define MUSTER_FAILPOINT(name) ::muster::failpoints::Reach(name)
#else
#define MUSTER_FAILPOINT(name) static_cast<void>(0)
#endif

#endif  // MUSTER_LAUNCHER_FAILPOINTS_FAILPOINT_H_
