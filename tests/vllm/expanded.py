"""colocated.py with a fault: vLLM gets pictures expanded already, as TRL hands them over, and expands them again."""

import sys

import colocated

from full_scale.training import trainer

trainer.single_image_tokens = lambda ids, image_token: ids

if __name__ == "__main__":
    colocated.main(sys.argv[1:])
