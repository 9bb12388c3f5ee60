"""numpy glue of the tiny writer."""

import numpy as np

LENGTH = 15


def stream(inputs, index, run):
    token, past = int(inputs["starts"][index]), np.zeros((1, 0, 16), np.float32)
    for _ in range(LENGTH):
        outputs = run("decoder", {"ids": np.array([[token]]), "past": past})
        token, past = int(outputs["logits"].argmax()), outputs["cache"]
        yield np.array([token])
        if token == 15:
            return


def request(inputs, index, run):
    tokens = [int(token[0]) for token in stream(inputs, index, run)]
    return {"tokens": np.array(tokens + [0] * (LENGTH - len(tokens)), np.int8)}


def score(labels, predictions):
    given, wanted = predictions["tokens"], labels["wanted"][: len(predictions["tokens"])]
    right = (given == wanted).mean(1)
    return {"token_accuracy": right, "exact_match": right == 1, "own_metric": right**2}


def slices(labels):
    return {"length": np.where(labels["wanted"][:, 5] == 0, "short", "long")}
