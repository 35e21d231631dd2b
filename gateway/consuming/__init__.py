"""Workers that take one message after the other from a queue, as analyzer and processor do.

Workers     the service: what becomes of a message, and of trouble (`workers`)
Company     who works beside whom, and how one comes to be alone (`company`)
tries       how often work on a message was begun, as its own header says (`tries`)
Begun       what this process began, which kills nobody if it comes again (`begun`)
"""

from gateway.consuming.tries import tries_of
from gateway.consuming.workers import GIVEN_UP, Handler, Hopeless, Workers

__all__ = ["GIVEN_UP", "Handler", "Hopeless", "Workers", "tries_of"]
