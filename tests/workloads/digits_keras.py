"""What digits_multiworker.py and digits_ps.py train, and what they leave.

To be imported before TensorFlow, which reads these variables on its import.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 has no fit() for this

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NEEDED_ACCURACY = 0.9


def split_digits():
    """train_x, test_x, train_y, test_y."""
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


def accuracy(model, inputs, answers):
    guess = np.argmax(model(inputs).numpy(), axis=1)
    return float((guess == answers).mean())


def save(model, score):
    os.makedirs("outputs", exist_ok=True)
    np.savez("outputs/weights.npz", *model.get_weights())
    with open("outputs/accuracy.txt", "w", encoding="ascii") as file:
        file.write(f"{score:.4f}\n")
