from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse


class Recipe(models.Model):
    """A dish: what it takes, how it is made, how long that takes, and perhaps a picture."""

    title = models.CharField(max_length=120, unique=True)
    summary = models.CharField(max_length=300, blank=True)
    ingredients = models.TextField(help_text="One a line")
    steps = models.TextField(help_text="One a line")
    minutes = models.PositiveIntegerField(default=30, validators=[MinValueValidator(1)])
    servings = models.PositiveIntegerField(default=4, validators=[MinValueValidator(1)])
    picture = models.ImageField(upload_to="recipes/", blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="recipes"
    )
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["title"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("recipes:detail", args=[self.pk])

    @property
    def ingredient_list(self) -> list[str]:
        return [line.strip() for line in self.ingredients.splitlines() if line.strip()]

    @property
    def step_list(self) -> list[str]:
        return [line.strip() for line in self.steps.splitlines() if line.strip()]
