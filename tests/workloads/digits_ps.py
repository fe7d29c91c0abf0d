#!/usr/bin/env python3
"""Trains a small classifier of digits with ParameterServerStrategy.

An ordinary TensorFlow script: who takes part, and as what, it learns from
TF_CONFIG alone. The chief makes the variables on the parameter servers, sends
the steps to the workers and is the only one that ends; workers and parameter
servers serve for ever, so that stopping them is the launcher's work. Where
TF_CONFIG has no chief, as with Azure ML, the first worker is the chief.

The chief prints "chief of 2 workers and 1 ps: test accuracy 0.96xx", writes
./outputs/weights.npz and ./outputs/accuracy.txt, and fails when the accuracy is
under 0.9. The others print "worker 0 serves" before they do.
"""

import argparse
import json
import os
import sys

from digits_keras import (NEEDED_ACCURACY, accuracy, make_model, save,
                          split_digits)

import tensorflow as tf  # after the variables that digits_keras sets for it

BATCH = 64


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


def with_a_chief(config):
    """TF_CONFIG in which the first worker is the chief if there was none."""
    cluster, task = config["cluster"], config["task"]
    if "chief" not in cluster:
        cluster["chief"] = [cluster["worker"].pop(0)]
        if task["type"] == "worker" and int(task["index"]) == 0:
            task["type"] = "chief"
        elif task["type"] == "worker":
            task["index"] = int(task["index"]) - 1
    return config


def serve(resolver):
    server = tf.distribute.Server(
        resolver.cluster_spec(), job_name=resolver.task_type,
        task_index=resolver.task_id, protocol="grpc", start=True)
    print(f"{resolver.task_type} {resolver.task_id} serves", flush=True)
    server.join()


def train(resolver, epochs):
    train_x, test_x, train_y, test_y = split_digits()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    with strategy.scope():
        model = make_model()
    if not all("/job:ps/" in weight.device for weight in model.weights):
        sys.exit("chief: there are variables outside the parameter servers")
    data = tf.data.Dataset.from_tensor_slices((train_x, train_y))
    data = data.shuffle(len(train_x), seed=0).repeat().batch(BATCH)
    model.fit(data, epochs=epochs, steps_per_epoch=len(train_x) // BATCH,
              verbose=2)
    return model, accuracy(model, test_x, test_y)


def main():
    args = parse_args()
    os.environ["TF_CONFIG"] = json.dumps(
        with_a_chief(json.loads(os.environ["TF_CONFIG"])))
    tf.keras.utils.set_random_seed(0)
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type != "chief":
        serve(resolver)
    model, score = train(resolver, args.epochs)
    save(model, score)
    cluster = resolver.cluster_spec()
    print(f"chief of {cluster.num_tasks('worker')} workers and "
          f"{cluster.num_tasks('ps')} ps: test accuracy {score:.4f}",
          flush=True)
    if score < NEEDED_ACCURACY:
        sys.exit(f"chief: the accuracy is under {NEEDED_ACCURACY}")


if __name__ == "__main__":
    main()
