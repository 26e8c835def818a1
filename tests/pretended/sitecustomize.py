"""Gives every Python that has this folder on its path the device ``elsewhere``, kernels too."""

import pretended_device

pretended_device.install()
