"""numpy glue of the tiny matcher."""

import numpy as np


def size(inputs):
    return len(inputs["pixels"])


def predict(inputs, items, run, advance):
    names = np.concatenate([run("text", {"ids": ids[None]})["text_embeds"] for ids in inputs["ids"]])
    best = np.empty(items, np.int16)
    for index in range(items):
        image = run("vision", {"pixels": inputs["pixels"][index : index + 1]})["image_embeds"]
        best[index] = np.argmax(image @ names.T)
        advance(index + 1)
    return {"best": best}


def score(labels, predictions):
    best = predictions["best"]
    return {"recall_at_1": best == labels["name"][: len(best)]}


def slices(labels):
    return {"half": np.where(labels["name"] < 16, "first", "second")}


def request(inputs, index, run):
    index %= size(inputs)
    name = index % len(inputs["ids"])
    image = run("vision", {"pixels": inputs["pixels"][index : index + 1]})
    return {**image, **run("text", {"ids": inputs["ids"][name : name + 1]})}
