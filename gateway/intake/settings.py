"""Bounds of what one request may bring."""

from attrs import field, frozen, validators

from gateway.images.limits import MAX_FRAMES, MAX_PIXELS, MAX_TRAILING_BYTES, ImageLimits


@frozen
class IntakeSettings:
    """Sizes in bytes, times in seconds.

    `max_body_bytes` bounds a body of whatever kind, as it comes and as it unpacks. `images_at_once` of one batch are
    stored side by side; `max_held_bytes` is what images of all requests hold in memory on their way into the object
    store, of which one is always let in. `silence_s` is how long a sender may pause, `min_bytes_per_s` the rate it
    owes after `grace_s`.
    """

    max_images: int = field(default=100, validator=validators.ge(1))
    images_at_once: int = field(default=4, validator=validators.ge(1))
    max_image_bytes: int = field(default=10 * 1024 * 1024, validator=validators.ge(1))
    max_held_bytes: int = field(default=256 * 1024 * 1024, validator=validators.ge(1024))
    max_body_bytes: int = field(default=1536 * 1024 * 1024, validator=validators.ge(1024))
    max_pixels: int = field(default=MAX_PIXELS, validator=validators.ge(1))
    max_frames: int = field(default=MAX_FRAMES, validator=validators.ge(1))
    max_trailing_bytes: int = field(default=MAX_TRAILING_BYTES, validator=validators.ge(0))
    max_requests: int = field(default=512, validator=validators.ge(1))
    silence_s: float = field(default=10.0, validator=validators.gt(0))
    grace_s: float = field(default=5.0, validator=validators.gt(0))
    min_bytes_per_s: int = field(default=1024, validator=validators.ge(0))
    total_s: float = field(default=3600.0, validator=validators.gt(0))

    @property
    def image_limits(self) -> ImageLimits:
        """What one image may have."""
        return ImageLimits(
            max_pixels=self.max_pixels,
            max_frames=self.max_frames,
            max_trailing_bytes=self.max_trailing_bytes,
        )
