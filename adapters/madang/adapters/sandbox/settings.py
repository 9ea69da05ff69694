"""What a deployment may say about the sandbox; most of it can also be changed while it runs (`knobs.py`)."""

from dataclasses import dataclass

from madang.ports.secret import Secret


@dataclass(frozen=True)
class SandboxSettings:
    """How the simulated providers behave. All times are in seconds.

    `seed` makes every choice: the same seed and the same calls give the same answers.
    `latency` is added to every call, and up to `latency_jitter` more. `image_seconds` is how long a prediction runs.

    `faults` is a comma-separated list of `operation:kind[=value][@count]`:

    - `operation` is `<port>.<method>`: `sms.send`, `image_model.start`, `payment.refund`; `sms.*` is any method, `*` any call;
    - `kind` is one of

      | kind | what happens | value |
      |---|---|---|
      | `unavailable` | nothing is done; `Unavailable` | |
      | `rate_limited` | nothing is done; `RateLimited` | seconds to wait, 1 by default |
      | `rejected` | nothing is done; `Rejected` | the reason, `invalid_request` by default |
      | `answer_lost` | it is done, and the answer never comes; `OutcomeUnknown` | |
      | `slow` | it takes longer; past the request's time-out as a lost answer | seconds more, 5 by default |
      | `garbage` | it is done, and the answer cannot be read | |

    - `count` is for how many calls, 1 by default; `@*` is until the list is changed.

    `"sms.send:unavailable@2, image_model.start:answer_lost"` refuses the next two messages, and buys the next prediction
    without saying so. Counts are kept in the sandbox's own world: they go down across processes and restarts, and a changed
    text arms anew.

    `decline` makes every card be declined. Webhooks leave after `webhook_delay`, each is sent `webhook_duplicates` times more,
    each waits up to `webhook_shuffle` longer (so that they overtake one another), and each is lost with the probability
    `webhook_loss` (0 to 1); the next `webhook_lose_next` are lost for sure. `webhook_secret` signs them (`whsec_…`); without
    one it is derived from the deployment's own key.
    """

    seed: int = 1
    latency: float = 0.0
    latency_jitter: float = 0.0
    image_seconds: float = 1.0
    faults: str = ""
    decline: bool = False
    webhook_delay: float = 0.0
    webhook_duplicates: int = 0
    webhook_shuffle: float = 0.0
    webhook_loss: float = 0.0
    webhook_lose_next: int = 0
    webhook_secret: Secret | None = None
