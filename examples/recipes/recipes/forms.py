from django import forms

from recipes.models import Recipe


class RecipeForm(forms.ModelForm):
    class Meta:
        model = Recipe
        fields = ["title", "summary", "ingredients", "steps", "minutes", "servings", "picture"]
        widgets = {
            "ingredients": forms.Textarea(attrs={"rows": 8}),
            "steps": forms.Textarea(attrs={"rows": 8}),
        }
