#!/usr/bin/env python3
"""Trains a small classifier of digits with MultiWorkerMirroredStrategy.

An ordinary TensorFlow script: who the workers are and which one it is, it
learns from TF_CONFIG alone; without that variable it trains by itself. It
proves that TF_CONFIG is the same everywhere, that every address in it can be
bound and reached, and that each worker holds a place of its own. The data
(scikit-learn's digits) comes with the library, so nothing is downloaded.

Every worker prints "worker 0 of 2: test accuracy 0.96xx" and fails when that is
under 0.9; the chief writes ./outputs/weights.npz and ./outputs/accuracy.txt.
"""

import argparse
import sys

from digits_keras import (NEEDED_ACCURACY, accuracy, make_model, save,
                          split_digits)

import tensorflow as tf  # after the variables that digits_keras sets for it

GLOBAL_BATCH = 64


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=6)
    return parser.parse_args()


def place(resolver):
    """This worker's number and how many there are; a chief is number 0."""
    cluster = resolver.cluster_spec().as_dict()
    chiefs = len(cluster.get("chief", []))
    workers = len(cluster.get("worker", []))
    first = chiefs if resolver.task_type == "worker" else 0
    return first + (resolver.task_id or 0), max(1, chiefs + workers)


def load_data():
    train_x, test_x, train_y, test_y = split_digits()
    data = tf.data.Dataset.from_tensor_slices((train_x, train_y))
    data = data.shuffle(len(train_x), seed=0).batch(GLOBAL_BATCH,
                                                    drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA)
    return data.with_options(options), test_x, test_y


def workers_that_answer(strategy):
    """A sum over all workers, for which each of them waits."""
    @tf.function
    def count():
        ones = strategy.run(lambda: tf.constant(1.0))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)
    return int(count())


def main():
    args = parse_args()
    tf.keras.utils.set_random_seed(0)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index, count = place(strategy.cluster_resolver)
    if workers_that_answer(strategy) != count:
        sys.exit(f"worker {index}: not all of the {count} workers answer")

    data, test_x, test_y = load_data()
    with strategy.scope():
        model = make_model()
    model.fit(data, epochs=args.epochs, verbose=2 if index == 0 else 0)

    # Every worker holds the same weights and judges them by itself.
    score = accuracy(model, test_x, test_y)
    if index == 0:
        save(model, score)
    print(f"worker {index} of {count}: test accuracy {score:.4f}", flush=True)
    workers_that_answer(strategy)  # nobody leaves while another still trains
    if score < NEEDED_ACCURACY:
        sys.exit(f"worker {index}: the accuracy is under {NEEDED_ACCURACY}")


if __name__ == "__main__":
    main()
