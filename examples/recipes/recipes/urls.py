from django.urls import path

from recipes import views

app_name = "recipes"
urlpatterns = [
    path("", views.RecipeList.as_view(), name="list"),
    path("recipes/new/", views.RecipeCreate.as_view(), name="create"),
    path("recipes/<int:pk>/", views.RecipeDetail.as_view(), name="detail"),
    path("recipes/<int:pk>/edit/", views.RecipeUpdate.as_view(), name="edit"),
]
