"""The student leaves: in timm's own format it answers as it was evaluated."""

import json

from kdlab.files import replacing_folder
from kdlab.models import own_students
from kdlab.photos.evaluation import statistics


def save_student(network, folder, name, options, photos, size, card):
    """Safetensors in the layout that ``timm.create_model("local-dir:...", pretrained=True)`` reads.

    ``config.json`` holds class names, normalisation, and the crop that was evaluated, so that timm's own
    transform shows the student what it was shown here. kdlab's own students have no place in timm: their
    weights are written with the call that makes them. ``card`` becomes the folder's README.md.
    """
    import timm
    from safetensors.torch import save_file

    mean, std = statistics(network, options["in_chans"])
    shown = {
        "input_size": (options["in_chans"], size, size), "crop_pct": photos.crop, "crop_mode": "center",
        "interpolation": "bilinear", "mean": mean, "std": std,
    }  # fmt: skip
    labels, made = (
        {"label_names": list(photos.classes)},
        {k: options[k] for k in options if k != "pretrained"},
    )
    with replacing_folder(folder) as half:
        if name in own_students():
            weights = {key: value.contiguous() for key, value in network.state_dict().items()}
            save_file(weights, half / "model.safetensors")
            told = {"create_student": {"name": name, **made}, **labels, "pretrained_cfg": shown}
            (half / "config.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        else:
            known = network.pretrained_cfg
            for key in [key for key in known if key.startswith("test_")]:  # of the weights timm trained
                del known[key]
            known.update(shown, num_classes=len(photos.classes))
            timm.models.save_for_hf(
                network, half, safe_serialization=True, model_args=made, model_config=labels
            )
        (half / "README.md").write_bytes(card.encode("utf-8", "replace"))


def how_to_use(name, channels):
    """Python that answers for a photo: with timm, or kdlab for its own students; and with the ONNX file."""
    mode = "RGB" if channels == 3 else "L"
    load = """network = timm.create_model("local-dir:student", pretrained=True).eval()
prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
classes = network.pretrained_cfg["label_names"]"""
    if name in own_students():
        load = """config = json.load(open("student/config.json", encoding="utf-8"))
network = create_student(**config["create_student"]).eval()
network.load_state_dict(load_file("student/model.safetensors"))
prepare = timm.data.create_transform(**config["pretrained_cfg"])
classes = config["label_names"]"""
    imports = "import json\n\n" * (name in own_students()) + "import timm\nfrom PIL import Image, ImageOps\n"
    if name in own_students():
        imports += "from safetensors.torch import load_file\n\nfrom kdlab.models import create_student\n"
    photo = f'photo = prepare(ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{mode}"))[None]'
    torch = f"{imports}\n{load}\n{photo}\nprint(classes[int(network(photo).argmax())])"
    onnx = """import onnxruntime

session = onnxruntime.InferenceSession("student.onnx")
(answers,) = session.run(None, {session.get_inputs()[0].name: photo.numpy()})
print(classes[int(answers.argmax())])"""
    return torch, onnx
