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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 has no fit() for this

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NEEDED_ACCURACY = 0.9
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


def load_data():
    pixels, digits = load_digits(return_X_y=True)
    return train_test_split((pixels / 16.0).astype("float32"), digits,
                            test_size=0.2, random_state=0, stratify=digits)


def make_model():
    model = tf.keras.Sequential([
        tf.keras.layers.Dense(128, "relu", input_shape=(64,)),
        tf.keras.layers.Dense(10)])
    model.compile(
        optimizer=tf.keras.optimizers.Adam(0.005), metrics=["accuracy"],
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def train(resolver, epochs):
    train_x, test_x, train_y, test_y = load_data()
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    with strategy.scope():
        model = make_model()
    if not all("/job:ps/" in weight.device for weight in model.weights):
        sys.exit("chief: there are variables outside the parameter servers")
    data = tf.data.Dataset.from_tensor_slices((train_x, train_y))
    data = data.shuffle(len(train_x), seed=0).repeat().batch(BATCH)
    model.fit(data, epochs=epochs, steps_per_epoch=len(train_x) // BATCH,
              verbose=2)
    guess = np.argmax(model(test_x).numpy(), axis=1)
    return model, float((guess == test_y).mean())


def save(model, score):
    os.makedirs("outputs", exist_ok=True)
    np.savez("outputs/weights.npz", *model.get_weights())
    with open("outputs/accuracy.txt", "w", encoding="ascii") as file:
        file.write(f"{score:.4f}\n")


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
