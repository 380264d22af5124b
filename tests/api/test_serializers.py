"""Every serializer that a view uses is in `serializers.__all__`, which the cache's fingerprint covers."""

from importlib import import_module
from inspect import getmembers, isclass
from pkgutil import iter_modules

import pytest
from rest_framework.serializers import BaseSerializer

from orchestrator.api import serializers, views
from orchestrator.api.serializers.strict_fields import ResourceSerializer, StrictListField

pytestmark = pytest.mark.engine_neutral


def serializers_in(package):
    """Return our own serializers in all modules of a package, without the base classes and private ones."""
    found = set()
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        classes = {each for _, each in getmembers(import_module(module.name), isclass)}
        found |= {each for each in classes if issubclass(each, BaseSerializer)}
    return {
        each
        for each in found - {ResourceSerializer, StrictListField}
        if each.__module__.startswith("orchestrator.") and not each.__name__.startswith("_")
    }


def test_every_serializer_that_is_used_is_public():
    public = {getattr(serializers, name) for name in serializers.__all__}
    assert serializers_in(views) <= public
    assert serializers_in(serializers) == public
