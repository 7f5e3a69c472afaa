import base64
import tempfile

from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase, override_settings
from django.urls import reverse

from recipes.models import Recipe

# The smallest GIF there is.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class Pages(TestCase):
    fixtures = ["sample"]

    def test_list(self) -> None:
        self.assertContains(self.client.get("/"), "Potato soup")

    def test_search_wants_every_word(self) -> None:
        answer = self.client.get("/", {"q": "lemon cheese"})
        self.assertContains(answer, "Lemon pasta")
        self.assertNotContains(answer, "Potato soup")
        self.assertContains(self.client.get("/", {"q": "lemon potato"}), "Nothing found")

    def test_detail(self) -> None:
        self.assertContains(self.client.get(reverse("recipes:detail", args=[1])), "<li>2 carrots</li>")
        self.assertEqual(self.client.get(reverse("recipes:detail", args=[99])).status_code, 404)

    def test_healthz(self) -> None:
        self.assertEqual(self.client.get("/healthz").json()["status"], "ok")


class Editing(TestCase):
    fixtures = ["sample"]
    fields = {"title": "Toast", "ingredients": "Bread", "steps": "Toast it", "minutes": 5, "servings": 1}

    def setUp(self) -> None:
        self.user = get_user_model().objects.create_user("ada", password="a long enough phrase")

    def test_needs_a_login(self) -> None:
        answer = self.client.post(reverse("recipes:create"), self.fields)
        self.assertRedirects(answer, "/accounts/login/?next=/recipes/new/")
        self.assertFalse(Recipe.objects.filter(title="Toast").exists())

    def test_create(self) -> None:
        self.client.force_login(self.user)
        self.client.post(reverse("recipes:create"), self.fields)
        self.assertEqual(Recipe.objects.get(title="Toast").author, self.user)

    def test_create_with_a_picture(self) -> None:
        self.client.force_login(self.user)
        with tempfile.TemporaryDirectory() as media, override_settings(MEDIA_ROOT=media):
            picture = SimpleUploadedFile("pixel.gif", PIXEL, "image/gif")
            self.client.post(reverse("recipes:create"), {**self.fields, "picture": picture})
            self.assertTrue(Recipe.objects.get(title="Toast").picture.name.startswith("recipes/pixel"))

    def test_a_picture_has_to_be_one(self) -> None:
        self.client.force_login(self.user)
        picture = SimpleUploadedFile("pixel.gif", b"no picture", "image/gif")
        answer = self.client.post(reverse("recipes:create"), {**self.fields, "picture": picture})
        self.assertContains(answer, "Upload a valid image")

    def test_edit(self) -> None:
        self.client.force_login(self.user)
        self.client.post(reverse("recipes:edit", args=[1]), {**self.fields, "title": "Leek soup"})
        self.assertEqual(Recipe.objects.get(pk=1).title, "Leek soup")


class Admin(TestCase):
    def test_lists_recipes_for_staff_only(self) -> None:
        self.assertEqual(self.client.get("/admin/recipes/recipe/").status_code, 302)
        self.client.force_login(get_user_model().objects.create_superuser("root", password="a long enough phrase"))
        self.assertEqual(self.client.get("/admin/recipes/recipe/").status_code, 200)
