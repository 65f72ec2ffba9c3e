"""colocated.py with a fault: vLLM gets pictures that are expanded already, as TRL hands them over; it expands them too."""

import sys

import colocated

from full_scale.training import trainer

trainer.single_image_tokens = lambda ids, image_token: ids

if __name__ == "__main__":
    colocated.main(sys.argv[1:])
