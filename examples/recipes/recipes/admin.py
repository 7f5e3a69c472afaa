from django.contrib import admin

from recipes.models import Recipe


@admin.register(Recipe)
class RecipeAdmin(admin.ModelAdmin):
    list_display = ["title", "minutes", "servings", "author", "changed"]
    list_filter = ["author"]
    search_fields = ["title", "summary", "ingredients"]
