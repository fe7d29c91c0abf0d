// Clusters written as JSON: Vertex AI's CLUSTER_SPEC and TensorFlow's
// TF_CONFIG.
#ifndef MUSTER_ENV_SCHEDULERS_CLUSTER_JSON_H_
#define MUSTER_ENV_SCHEDULERS_CLUSTER_JSON_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// Vertex AI: CLUSTER_SPEC with "cluster" (workerpool0, workerpool1, ...) and
// "task". Pools 0 and 1 are the nodes, in this order; what runs in pools 2 and
// 3 (parameter servers, an evaluator) is no node of the job. Other products
// use the name for other shapes: nothing is found then.
//
// Errors:
//   InvalidArgument     as MaybeDiscovery says.
//   FailedPrecondition  this task is in pool 2 or above.
MaybeDiscovery DiscoverVertex(const Inputs& inputs);

// TF_CONFIG with "cluster" and "task", each task a node: the chief (or
// "master", its old name), then the workers. The ports are TensorFlow's own.
//
// Errors:
//   InvalidArgument     as MaybeDiscovery says.
//   FailedPrecondition  this task is a parameter server or an evaluator, or
//                       several tasks share a host, so that tasks are no
//                       nodes.
MaybeDiscovery DiscoverTfConfig(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_CLUSTER_JSON_H_
