"""The playgrounds: what the browser computes is what PyTorch computes, by pointer and by keys."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from practicals.gan import kept, style

tool = pytest.importorskip("tools.export_playground", reason="onnx: make site installs it")
MODELS, digit_network = tool.MODELS, tool.digit_network

pytestmark = pytest.mark.site
CLOSE = 1e-3
ATTACK, LATENT = "playground/attack.html", "playground/latent.html"


@pytest.fixture(autouse=True)
def runtime(site):
    """Skip where the site was built without what runs networks in a browser."""
    if not (site / "_static" / "vendor" / "ort").is_dir():
        pytest.skip("onnxruntime-web is missing (npm): no playground in this build")


def ready(page, address, name):
    page.goto(f"{address}/{name}")
    page.wait_for_selector(".playground[data-state=ready]")
    assert page.complaints == []


def fgsm(net, pixels, label, eps):
    """Return logits before and after, and the changed picture, by autograd."""
    x = pixels.clone().requires_grad_()
    before = net(x)
    F.cross_entropy(before, label).backward()
    changed = (x + eps * x.grad.sign()).clamp(0, 1).detach()
    return before[0], net(changed)[0], changed, x.grad


@pytest.mark.parametrize("name", ["plain", "robust"])
def test_fgsm_is_pytorchs(name, page, address):
    ready(page, address, ATTACK)
    net = digit_network(MODELS / f"adversarial-{name}.pt")
    asked = """async ([name, i, eps]) => {
      const p = window.playground, found = await p.fgsm(name, p.examples[i], i, eps);
      const {gradient} = await p.ask(name, p.examples[i], i);
      return {...found, changed: [...found.changed], gradient: [...gradient],
              pixels: [...p.examples[i]]};
    }"""
    for i, eps in ((3, 0.1), (8, 0.3)):
        found = page.evaluate(asked, [name, i, eps])
        pixels = torch.tensor(found["pixels"]).reshape(1, 1, 28, 28)
        before, after, changed, slope = fgsm(net, pixels, torch.tensor([i]), eps)
        assert np.allclose(found["before"], before.detach().numpy(), atol=CLOSE)
        assert np.allclose(found["gradient"], slope.numpy().ravel(), atol=CLOSE)
        assert np.allclose(found["changed"], changed.numpy().ravel(), atol=CLOSE)
        assert np.allclose(found["after"], after.detach().numpy(), atol=CLOSE)


def test_the_attack_works_by_keys_alone(page, address):
    ready(page, address, ATTACK)
    page.locator("#digits input").nth(7).focus()
    page.keyboard.press("Space")
    page.wait_for_selector(".playground[data-drawn='7 0.10']")
    page.locator("#eps").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".playground[data-drawn='7 0.30']")
    assert "Plain: fooled" in page.locator("#verdict").inner_text()
    page.locator("#drawing").focus()
    page.keyboard.press("Delete")
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    drawn = page.evaluate("window.playground.state.pixels.filter((v) => v > 0.5).length")
    assert drawn >= 8
    page.mouse.move(0, 0)


def test_drawing_with_the_pointer_leaves_ink(page, address):
    ready(page, address, ATTACK)
    page.get_by_role("button", name="Clear").click()
    paper = page.locator("#drawing")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 180, steps=5)
    page.mouse.up()
    shape = page.evaluate("[...window.playground.state.pixels]")
    ink = np.array(shape).reshape(28, 28) > 0.5
    assert ink.any(1).sum() >= 15 and ink.any(0).sum() <= 4


@pytest.fixture
def latent(page, address):
    ready(page, address, LATENT)
    return page


def test_drawn_digits_are_pytorchs(latent):
    generator, _ = kept.load_pair(MODELS / f"{kept.NAME}.pt")
    z = torch.randn(4, 100, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 3, 9, 9])
    asked = "async ([z, y]) => [...await window.playground.draw(z, y)]"
    found = np.array(latent.evaluate(asked, [z.tolist(), y.tolist()]))
    with torch.no_grad():
        expected = (generator(z, y).numpy().ravel() + 1) / 2
    assert np.ptp(expected) > 0.05 and np.allclose(found, expected, atol=CLOSE)


def test_the_arc_and_the_measures_are_the_packages(latent):
    a, b = torch.randn(2, 100, generator=torch.Generator().manual_seed(2)).unbind()
    found = latent.evaluate(
        "([a, b]) => [0, 0.3, 1].map((t) => window.playground.onTheSphere(a, b, t))",
        [a.tolist(), b.tolist()],
    )
    expected = style.on_the_sphere(a, 1 * b, torch.tensor([0, 0.3, 1]))
    assert np.allclose(found, expected.numpy(), atol=CLOSE)
    picture = np.zeros((1, 32, 32), np.uint8)
    for row in range(4, 28):
        picture[0, row, 20 - row // 3 : 23 - row // 3] = 200
    ink = (picture[0] / 255).ravel().tolist()
    measured = latent.evaluate("(ink) => window.playground.measured(ink)", ink)
    assert abs(measured["slant"] - style.slant(picture)[0]) < CLOSE
    assert abs(measured["thickness"] - style.thickness(picture)[0]) < CLOSE


def pixels_of(page, name):
    return page.evaluate(f"document.getElementById('{name}').toDataURL()")


def test_z_moves_by_keys_and_by_pointer(latent):
    before = {name: pixels_of(latent, name) for name in ("one", "classes", "plane", "arc")}
    latent.locator("#pad").focus()
    latent.keyboard.press("Shift+ArrowRight")
    latent.wait_for_selector(".playground[data-drawn='7 1.0 0.0']")
    assert pixels_of(latent, "one") != before["one"]
    assert pixels_of(latent, "classes") != before["classes"]
    pad = latent.locator("#pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    latent.mouse.click(box["x"] + 5, box["y"] + 5)
    latent.wait_for_selector(".playground[data-drawn='7 -3.0 3.0']")
    latent.locator("#digits input").nth(2).check()
    latent.wait_for_selector(".playground[data-drawn='2 -3.0 3.0']")
    latent.locator("#axes").select_option("style")
    latent.wait_for_function(
        f"document.getElementById('plane').toDataURL() !== '{before['plane']}'"
    )
    latent.locator("#t").focus()
    latent.keyboard.press("End")
    latent.wait_for_selector(".playground[data-drawn='2 0.0 0.0']")
    assert latent.complaints == []


def test_a_browser_without_webassembly_is_told(browser, address):
    made = browser.new_page()
    made.add_init_script("delete window.WebAssembly")
    made.goto(f"{address}/{ATTACK}")
    made.wait_for_selector(".playground[data-state=stopped]")
    assert "no WebAssembly" in made.locator(".status").inner_text()
    assert made.locator(".controls").is_hidden()
    made.close()


def test_a_network_that_is_not_there_is_named(page, address):
    facts = json.dumps({"runtime": True, "files": []})
    page.route("**/models.json", lambda route: route.fulfill(body=facts))
    page.goto(f"{address}/{LATENT}")
    page.wait_for_selector(".playground[data-state=stopped]")
    assert f"{kept.NAME}.onnx" in page.locator(".status").inner_text()
