"""One form of preferences for both pages: the client's own, and that of staff for them."""

from datetime import datetime, time
from typing import Any, Final

from django import forms

from core.choices import Channel
from core.errors import Invalid
from preferences.choices import CHANNEL_LABELS, Frequency
from preferences.rules.windows import SettingRefused, Window, check_quiet_hours, instant_of, parse_zone
from preferences.selectors.profile import USUAL_ORDER, Profile
from preferences.services.changing import KEEP, Keep, PreferenceChange

_NONE, _SET = "none", "set"
_PLACES: Final = [(1, "first"), (2, "second"), (3, "third")]
_CLOCK = forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class PreferencesForm(forms.Form):
    """What is shown is what holds; what is not touched is not chosen by saving it.

    Channels without an address are not offered. `change` is what the client asks for, once the form is valid.
    """

    channels = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    timezone = forms.CharField(
        max_length=64,
        required=False,
        label="Time zone",
        help_text="As Asia/Kolkata. Left empty: ours.",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    quiet = forms.ChoiceField(
        choices=[(_NONE, "No quiet hours"), (_SET, "Quiet hours")], widget=forms.RadioSelect
    )
    quiet_start = forms.TimeField(required=False, label="From", widget=_CLOCK)
    quiet_end = forms.TimeField(required=False, label="Until", widget=_CLOCK)
    frequency = forms.ChoiceField(
        choices=[(each.value, each.label) for each in Frequency], widget=forms.RadioSelect
    )
    pause_until = forms.DateField(
        required=False,
        label="Pause until",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, profile: Profile, *, now: datetime, data: Any = None) -> None:
        self.profile, self.now = profile, now
        self.offered = [state.channel for state in profile.channels.values() if state.is_known]
        self.open_now = [
            channel
            for channel in (*profile.order, *USUAL_ORDER)
            if channel in self.offered and profile.channels[channel].is_open
        ]
        self.open_now = list(dict.fromkeys(self.open_now))
        super().__init__(data=data, initial=self._initial())
        channels = self.fields["channels"]
        assert isinstance(channels, forms.MultipleChoiceField)  # noqa: S101 - for the type checker
        channels.choices = [(channel.value, CHANNEL_LABELS[channel]) for channel in self.offered]
        for channel in self.offered:
            place = forms.ChoiceField(
                choices=_PLACES,
                required=False,
                label=f"Place of {CHANNEL_LABELS[channel]}",
                initial=self._place_of(channel),
            )
            self.fields[f"place_{channel.value}"] = place

    def _place_of(self, channel: Channel) -> int:
        order = [*self.open_now, *(other for other in self.offered if other not in self.open_now)]
        return order.index(channel) + 1

    def _initial(self) -> dict[str, Any]:
        effective = self.profile.effective
        quiet, pause = effective.quiet_hours, effective.pause_until
        return {
            "channels": [channel.value for channel in self.open_now],
            "timezone": "" if effective.zone_is_default else effective.zone.key,
            "quiet": _NONE if quiet is None else _SET,
            "quiet_start": quiet.start if quiet else None,
            "quiet_end": quiet.end if quiet else None,
            "frequency": effective.frequency.value,
            "pause_until": pause.astimezone(effective.zone).date() if pause and pause > self.now else None,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Each offered channel with its tick, its place and how it stands."""
        ticks = {tick.data["value"]: tick for tick in self["channels"]}
        return [
            {
                "channel": channel,
                "tick": ticks[channel.value],
                "place": self[f"place_{channel.value}"],
                "state": self.profile.channels[channel],
            }
            for channel in self.offered
        ]

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"].strip()
        try:
            return parse_zone(name).key if name else ""
        except SettingRefused as refusal:
            raise forms.ValidationError(refusal.detail, code=refusal.code) from refusal

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.offered and "channels" in cleaned and not cleaned["channels"]:
            self.add_error("channels", "Tick at least one, or stop all messages below.")
        if cleaned.get("quiet") == _SET and not {"quiet_start", "quiet_end"} & set(self.errors):
            try:
                cleaned["window"] = check_quiet_hours(cleaned.get("quiet_start"), cleaned.get("quiet_end"))
            except SettingRefused as refusal:
                self.add_error("quiet_start", refusal.detail)
            else:
                if cleaned["window"] is None:
                    self.add_error("quiet_start", "Give both times, or choose no quiet hours.")
        return cleaned

    def change(self) -> PreferenceChange:
        """What differs from what holds. Only for a valid form."""
        cleaned = self.cleaned_data
        ticked = [Channel(name) for name in cleaned["channels"]]
        return PreferenceChange(
            preferred_channels=self._order(ticked),
            timezone=KEEP if cleaned["timezone"] == self.initial["timezone"] else cleaned["timezone"] or None,
            quiet_hours=self._quiet_hours(cleaned.get("window")),
            frequency=KEEP
            if cleaned["frequency"] == self.initial["frequency"]
            else Frequency(cleaned["frequency"]),
            pause_until=self._pause_until(),
            opted_out={
                channel: channel not in ticked
                for channel in self.offered
                if (channel in ticked) is not (channel in self.open_now)
            },
        )

    def _order(self, ticked: list[Channel]) -> tuple[Channel, ...] | Keep | None:
        """Ticking less is opting out and chooses no order; another order, or one channel more, does. Of two at one
        place the one that was moved there goes first."""
        places = {channel: int(self.cleaned_data.get(f"place_{channel.value}") or 9) for channel in ticked}
        stands = {channel: self._place_of(channel) for channel in ticked}
        wished = sorted(
            ticked,
            key=lambda channel: (places[channel], places[channel] == stands[channel], stands[channel]),
        )
        if wished == [channel for channel in self.open_now if channel in ticked]:
            chosen = self.profile.effective.chosen_channels
            if chosen is None or set(chosen) <= set(wished):
                return KEEP
        return tuple(wished)

    def _quiet_hours(self, window: Window | None) -> Window | Keep | None:
        wished = window if self.cleaned_data["quiet"] == _SET else None
        return KEEP if wished == self.profile.effective.quiet_hours else wished

    def _pause_until(self) -> datetime | Keep | None:
        day = self.cleaned_data["pause_until"]
        if day == self.initial["pause_until"]:
            return KEEP
        zone = parse_zone(self.cleaned_data["timezone"] or self.profile.effective.zone.key)
        return instant_of(day, time(), zone) if day is not None else None

    def take_problems(self, refused: Invalid) -> None:
        """Put each beside its field."""
        beside = {"preferred_channels": "channels", "quiet_hours": "quiet_start"}
        for problem in refused.problems:
            name = beside.get(problem.field, problem.field)
            self.add_error(name if name in self.fields else None, problem.message)
