from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import connection
from django.db.models import Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from recipes.forms import RecipeForm
from recipes.models import Recipe


class RecipeList(ListView):
    """All recipes, or those that hold every word of `?q=`."""

    model = Recipe
    paginate_by = 24

    def get_queryset(self) -> QuerySet[Recipe]:
        found = super().get_queryset()
        for word in self.request.GET.get("q", "").split():
            found = found.filter(
                Q(title__icontains=word) | Q(summary__icontains=word) | Q(ingredients__icontains=word)
            )
        return found

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        return super().get_context_data(q=self.request.GET.get("q", ""), **kwargs)


class RecipeDetail(DetailView):
    model = Recipe


class RecipeCreate(LoginRequiredMixin, CreateView):
    model = Recipe
    form_class = RecipeForm

    def form_valid(self, form: ModelForm) -> HttpResponse:
        form.instance.author = self.request.user
        return super().form_valid(form)


class RecipeUpdate(LoginRequiredMixin, UpdateView):
    model = Recipe
    form_class = RecipeForm


def healthz(_request: HttpRequest) -> JsonResponse:
    """Whether the application serves and its database answers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok", "database": connection.vendor})
