"""Is the hub there? Asked before a download, so that being offline costs seconds and not a minute."""

import threading
import urllib.error
import urllib.request

SECONDS = 3.0


def reachable(url, *, seconds=SECONDS):
    """Whether anything answers at ``url`` within ``seconds``, proxies of the environment respected.

    The question is asked in a thread: a name server that does not answer knows no timeout.
    """
    answers = []

    def ask():
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds)
        except urllib.error.HTTPError:
            pass  # an answer all the same
        except (OSError, ValueError):
            return
        answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds + 0.5)
    return bool(answers)


def stop_waiting_for_the_hub():
    """Tell huggingface_hub to use what is on this machine only, if the hub does not answer.

    Without this, ``timm.create_model(..., pretrained=True)`` tries for three quarters of a minute.
    Returns whether the hub can be used.
    """
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT)
    return not constants.HF_HUB_OFFLINE
