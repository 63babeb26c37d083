"""Composes blueprints, nothing else."""

import gc

gc.disable()  # what imports make lives for ever: collecting in between would only lengthen the cold start

from chalice import Chalice  # type: ignore[attr-defined]
from chalicelib.blueprints import BLUEPRINTS

app = Chalice(app_name="lora-pipeline")
for blueprint in BLUEPRINTS:
    app.register_blueprint(blueprint)
gc.freeze()
gc.enable()
