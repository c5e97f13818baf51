"""Which sentences does a DSN have, in which language?

Pure. For people who know nothing of mail servers: what happened, to whom, and what to do. No word
of SMTP stands here; that is among the facts below the sentences. French has a blank before a colon
or semicolon, at which no line may end (``\\xa0``).

Source: ISO 639-1 and RFC 3282 for the languages' names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.preferences.policy import DsnLanguage
from satellite.delivery.decisions.outcome import DsnAction
from satellite.delivery.dsn.cause import DsnCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentences:
    """One language. ``{to}`` is the recipient, ``{count}`` their number, ``{until}`` a time.

    Args:
        subjects: of the DSN, by what happened.
        happened: the first sentence, by what happened; ``{why}`` is one of ``causes``.
        several: in place of the recipient where there are more than fit a sentence.
        causes: why; a clause behind a colon.
        remedies: what to do about mail that failed.
        wait, done: what to do about mail that is late, or was passed on: nothing.
        facts: the heading of the facts.
        recipient, answer, reason, subject, received, size, tried_until, reporter: their names.
        attached, lost: what becomes of the message itself.
    """

    subjects: Mapping[DsnAction, str]
    happened: Mapping[DsnAction, str]
    several: str
    causes: Mapping[DsnCause, str]
    remedies: Mapping[DsnCause, str]
    wait: str
    done: str
    facts: str
    recipient: str
    answer: str
    reason: str
    subject: str
    received: str
    size: str
    tried_until: str
    reporter: str
    attached: str
    lost: str


ENGLISH = Sentences(
    subjects={
        DsnAction.FAILED: "Mail could not be delivered",
        DsnAction.DELAYED: "Mail has not been delivered yet",
        DsnAction.RELAYED: "Mail was passed on",
    },
    happened={
        DsnAction.FAILED: "Your message to {to} could not be delivered: {why}.",
        DsnAction.DELAYED: "Your message to {to} has not been delivered yet: {why}.",
        DsnAction.RELAYED: "Your message to {to} was passed on to the recipient's mail server.",
    },
    several="{count} recipients, who are named below,",
    causes={
        DsnCause.NO_MAILBOX: "there is no such mailbox",
        DsnCause.NO_DOMAIN: "the part behind the @ does not exist, or takes no mail",
        DsnCause.TAKES_NONE: "this address takes no mail",
        DsnCause.FULL: "the mailbox is full",
        DsnCause.TOO_LARGE: "the message is too large",
        DsnCause.NOT_ALLOWED: "the recipient's mail server does not allow it",
        DsnCause.KIND: "the recipient's mail server cannot take this kind of message",
        DsnCause.LOOP: "the recipient's mail server sends it round in a circle",
        DsnCause.EXPIRED: "it was tried for days, without success",
        DsnCause.UNREACHABLE: "the recipient's mail server cannot be reached",
        DsnCause.GIVEN_BACK: "the operators of the mail gateway returned it",
        DsnCause.REFUSED: "the recipient's mail server refused it",
        DsnCause.PUT_OFF: "the recipient's mail server has put it off",
    },
    remedies={
        DsnCause.NO_MAILBOX: "Please check the address for mistakes, and send the message again.",
        DsnCause.NO_DOMAIN: "Please check the address for mistakes, and send the message again.",
        DsnCause.TAKES_NONE: "Please ask the recipient for another address.",
        DsnCause.FULL: "Please tell the recipient in another way, or send it again in a few days.",
        DsnCause.TOO_LARGE: "Please send it again with smaller attachments, or without them.",
        DsnCause.NOT_ALLOWED: "Please tell the recipient in another way, and show them the facts "
        "below; their mail provider can say why.",
        DsnCause.KIND: "Please send it again as plain text, from and to addresses without accents "
        "and special characters.",
        DsnCause.LOOP: "Please tell the recipient in another way; only their mail provider can "
        "correct it.",
        DsnCause.EXPIRED: "Please send it again later, or reach the recipient in another way.",
        DsnCause.UNREACHABLE: "Please send it again later, or reach the recipient in another way.",
        DsnCause.GIVEN_BACK: "Please read the reason below, and send the message again.",
        DsnCause.REFUSED: "Please read its answer below, or reach the recipient in another way.",
    },
    wait="You need not do anything: it will be tried again{until}, and you will be told if that "
    "fails.",
    done="You need not do anything. That server gives no notice of delivery, so that this is the "
    "last that you hear of it.",
    facts="The facts, for whoever looks after mail:",
    recipient="Recipient",
    answer="Answer of {host}",
    reason="Reason",
    subject="Subject",
    received="Received",
    size="Size",
    tried_until=" until {until}",
    reporter="Reported by",
    attached="What is returned of your message is attached.",
    lost="The content of your message was lost here, so nothing of it is returned.",
)

GERMAN = Sentences(
    subjects={
        DsnAction.FAILED: "Nachricht konnte nicht zugestellt werden",
        DsnAction.DELAYED: "Nachricht ist noch nicht zugestellt",
        DsnAction.RELAYED: "Nachricht wurde weitergegeben",
    },
    happened={
        DsnAction.FAILED: "Ihre Nachricht an {to} konnte nicht zugestellt werden: {why}.",
        DsnAction.DELAYED: "Ihre Nachricht an {to} ist noch nicht zugestellt: {why}.",
        DsnAction.RELAYED: "Ihre Nachricht an {to} wurde an den Mailserver des Empfängers "
        "weitergegeben.",
    },
    several="{count} Empfänger, die unten genannt sind,",
    causes={
        DsnCause.NO_MAILBOX: "dieses Postfach gibt es nicht",
        DsnCause.NO_DOMAIN: "den Teil hinter dem @ gibt es nicht, oder er nimmt keine Post an",
        DsnCause.TAKES_NONE: "diese Adresse nimmt keine Post an",
        DsnCause.FULL: "das Postfach ist voll",
        DsnCause.TOO_LARGE: "die Nachricht ist zu groß",
        DsnCause.NOT_ALLOWED: "der Mailserver des Empfängers lässt sie nicht zu",
        DsnCause.KIND: "der Mailserver des Empfängers kann diese Art von Nachricht nicht annehmen",
        DsnCause.LOOP: "der Mailserver des Empfängers schickt sie im Kreis",
        DsnCause.EXPIRED: "sie wurde tagelang vergeblich versucht",
        DsnCause.UNREACHABLE: "der Mailserver des Empfängers ist nicht erreichbar",
        DsnCause.GIVEN_BACK: "die Betreiber des Mailgateways haben sie zurückgegeben",
        DsnCause.REFUSED: "der Mailserver des Empfängers hat sie abgelehnt",
        DsnCause.PUT_OFF: "der Mailserver des Empfängers hat sie aufgeschoben",
    },
    remedies={
        DsnCause.NO_MAILBOX: "Bitte prüfen Sie die Adresse auf Tippfehler, und senden Sie die "
        "Nachricht noch einmal.",
        DsnCause.NO_DOMAIN: "Bitte prüfen Sie die Adresse auf Tippfehler, und senden Sie die "
        "Nachricht noch einmal.",
        DsnCause.TAKES_NONE: "Bitte fragen Sie den Empfänger nach einer anderen Adresse.",
        DsnCause.FULL: "Bitte sagen Sie es dem Empfänger auf anderem Weg, oder senden Sie die "
        "Nachricht in einigen Tagen noch einmal.",
        DsnCause.TOO_LARGE: "Bitte senden Sie sie noch einmal mit kleineren Anhängen oder ohne.",
        DsnCause.NOT_ALLOWED: "Bitte sagen Sie es dem Empfänger auf anderem Weg, und zeigen Sie "
        "ihm die Angaben unten; sein Mailanbieter kann sagen, warum.",
        DsnCause.KIND: "Bitte senden Sie sie noch einmal als einfachen Text, von und an Adressen "
        "ohne Umlaute und Sonderzeichen.",
        DsnCause.LOOP: "Bitte sagen Sie es dem Empfänger auf anderem Weg; nur sein Mailanbieter "
        "kann das beheben.",
        DsnCause.EXPIRED: "Bitte senden Sie sie später noch einmal, oder erreichen Sie den "
        "Empfänger auf anderem Weg.",
        DsnCause.UNREACHABLE: "Bitte senden Sie sie später noch einmal, oder erreichen Sie den "
        "Empfänger auf anderem Weg.",
        DsnCause.GIVEN_BACK: "Bitte lesen Sie unten den Grund, und senden Sie die Nachricht noch "
        "einmal.",
        DsnCause.REFUSED: "Bitte lesen Sie unten seine Antwort, oder erreichen Sie den Empfänger "
        "auf anderem Weg.",
    },
    wait="Sie müssen nichts tun: Es wird weiter versucht{until}, und Sie hören davon, wenn es "
    "nicht gelingt.",
    done="Sie müssen nichts tun. Dieser Server bestätigt keine Zustellung; mehr hören Sie davon "
    "nicht.",
    facts="Die Angaben für alle, die sich um Mail kümmern:",
    recipient="Empfänger",
    answer="Antwort von {host}",
    reason="Grund",
    subject="Betreff",
    received="Eingegangen",
    size="Größe",
    tried_until=", bis {until}",
    reporter="Gemeldet von",
    attached="Was von Ihrer Nachricht zurückgeht, ist angehängt.",
    lost="Der Inhalt Ihrer Nachricht ging hier verloren, deshalb geht nichts davon zurück.",
)

FRENCH = Sentences(
    subjects={
        DsnAction.FAILED: "Le message n'a pas pu être remis",
        DsnAction.DELAYED: "Le message n'est pas encore remis",
        DsnAction.RELAYED: "Le message a été transmis",
    },
    happened={
        DsnAction.FAILED: "Votre message à {to} n'a pas pu être remis\xa0: {why}.",
        DsnAction.DELAYED: "Votre message à {to} n'est pas encore remis\xa0: {why}.",
        DsnAction.RELAYED: "Votre message à {to} a été transmis au serveur de messagerie du "
        "destinataire.",
    },
    several="{count} destinataires, nommés ci-dessous,",
    causes={
        DsnCause.NO_MAILBOX: "cette boîte aux lettres n'existe pas",
        DsnCause.NO_DOMAIN: "la partie derrière le @ n'existe pas, ou n'accepte pas de courrier",
        DsnCause.TAKES_NONE: "cette adresse n'accepte pas de courrier",
        DsnCause.FULL: "la boîte aux lettres est pleine",
        DsnCause.TOO_LARGE: "le message est trop volumineux",
        DsnCause.NOT_ALLOWED: "le serveur de messagerie du destinataire ne l'autorise pas",
        DsnCause.KIND: "le serveur de messagerie du destinataire ne peut pas accepter ce genre de "
        "message",
        DsnCause.LOOP: "le serveur de messagerie du destinataire le fait tourner en rond",
        DsnCause.EXPIRED: "les essais ont duré des jours, sans succès",
        DsnCause.UNREACHABLE: "le serveur de messagerie du destinataire est injoignable",
        DsnCause.GIVEN_BACK: "les responsables de la passerelle l'ont renvoyé",
        DsnCause.REFUSED: "le serveur de messagerie du destinataire l'a refusé",
        DsnCause.PUT_OFF: "le serveur de messagerie du destinataire l'a remis à plus tard",
    },
    remedies={
        DsnCause.NO_MAILBOX: "Veuillez vérifier l'adresse, puis envoyer le message à nouveau.",
        DsnCause.NO_DOMAIN: "Veuillez vérifier l'adresse, puis envoyer le message à nouveau.",
        DsnCause.TAKES_NONE: "Veuillez demander une autre adresse au destinataire.",
        DsnCause.FULL: "Veuillez prévenir le destinataire par un autre moyen, ou renvoyer le "
        "message dans quelques jours.",
        DsnCause.TOO_LARGE: "Veuillez le renvoyer avec des pièces jointes plus petites, ou sans.",
        DsnCause.NOT_ALLOWED: "Veuillez prévenir le destinataire par un autre moyen et lui montrer "
        "les détails ci-dessous\xa0; son fournisseur de messagerie peut dire pourquoi.",
        DsnCause.KIND: "Veuillez le renvoyer en texte simple, avec des adresses sans accents ni "
        "caractères spéciaux.",
        DsnCause.LOOP: "Veuillez prévenir le destinataire par un autre moyen\xa0; seul son "
        "fournisseur de messagerie peut y remédier.",
        DsnCause.EXPIRED: "Veuillez le renvoyer plus tard, ou joindre le destinataire par un autre "
        "moyen.",
        DsnCause.UNREACHABLE: "Veuillez le renvoyer plus tard, ou joindre le destinataire par un "
        "autre moyen.",
        DsnCause.GIVEN_BACK: "Veuillez lire la raison ci-dessous, puis envoyer le message à "
        "nouveau.",
        DsnCause.REFUSED: "Veuillez lire sa réponse ci-dessous, ou joindre le destinataire par un "
        "autre moyen.",
    },
    wait="Vous n'avez rien à faire\xa0: les essais continuent{until}, et vous serez prévenu "
    "s'ils échouent.",
    done="Vous n'avez rien à faire. Ce serveur ne confirme pas la remise\xa0; vous n'en "
    "apprendrez pas davantage.",
    facts="Les détails, pour qui s'occupe de la messagerie\xa0:",
    recipient="Destinataire",
    answer="Réponse de {host}",
    reason="Raison",
    subject="Objet",
    received="Reçu",
    size="Taille",
    tried_until=" jusqu'au {until}",
    reporter="Signalé par",
    attached="Ce qui est renvoyé de votre message est joint.",
    lost="Le contenu de votre message a été perdu ici\xa0; rien n'en est renvoyé.",
)

SPANISH = Sentences(
    subjects={
        DsnAction.FAILED: "No se pudo entregar el mensaje",
        DsnAction.DELAYED: "El mensaje aún no se ha entregado",
        DsnAction.RELAYED: "El mensaje se ha transmitido",
    },
    happened={
        DsnAction.FAILED: "Su mensaje para {to} no se pudo entregar: {why}.",
        DsnAction.DELAYED: "Su mensaje para {to} aún no se ha entregado: {why}.",
        DsnAction.RELAYED: "Su mensaje para {to} se ha transmitido al servidor de correo del "
        "destinatario.",
    },
    several="{count} destinatarios, que se nombran abajo,",
    causes={
        DsnCause.NO_MAILBOX: "ese buzón no existe",
        DsnCause.NO_DOMAIN: "la parte detrás de la @ no existe, o no acepta correo",
        DsnCause.TAKES_NONE: "esa dirección no acepta correo",
        DsnCause.FULL: "el buzón está lleno",
        DsnCause.TOO_LARGE: "el mensaje es demasiado grande",
        DsnCause.NOT_ALLOWED: "el servidor de correo del destinatario no lo permite",
        DsnCause.KIND: "el servidor de correo del destinatario no puede aceptar esta clase de "
        "mensaje",
        DsnCause.LOOP: "el servidor de correo del destinatario lo hace dar vueltas",
        DsnCause.EXPIRED: "se intentó durante días, sin éxito",
        DsnCause.UNREACHABLE: "no se puede contactar con el servidor de correo del destinatario",
        DsnCause.GIVEN_BACK: "los responsables de la pasarela de correo lo devolvieron",
        DsnCause.REFUSED: "el servidor de correo del destinatario lo rechazó",
        DsnCause.PUT_OFF: "el servidor de correo del destinatario lo ha aplazado",
    },
    remedies={
        DsnCause.NO_MAILBOX: "Compruebe la dirección, por favor, y envíe el mensaje otra vez.",
        DsnCause.NO_DOMAIN: "Compruebe la dirección, por favor, y envíe el mensaje otra vez.",
        DsnCause.TAKES_NONE: "Pida otra dirección al destinatario, por favor.",
        DsnCause.FULL: "Avise al destinatario por otro medio, por favor, o envíelo otra vez dentro "
        "de unos días.",
        DsnCause.TOO_LARGE: "Envíelo otra vez, por favor, con adjuntos más pequeños o sin ellos.",
        DsnCause.NOT_ALLOWED: "Avise al destinatario por otro medio, por favor, y muéstrele los "
        "datos de abajo; su proveedor de correo puede decir por qué.",
        DsnCause.KIND: "Envíelo otra vez, por favor, como texto sencillo y con direcciones sin "
        "acentos ni caracteres especiales.",
        DsnCause.LOOP: "Avise al destinatario por otro medio, por favor; solo su proveedor de "
        "correo puede corregirlo.",
        DsnCause.EXPIRED: "Envíelo otra vez más tarde, por favor, o contacte con el destinatario "
        "por otro medio.",
        DsnCause.UNREACHABLE: "Envíelo otra vez más tarde, por favor, o contacte con el "
        "destinatario por otro medio.",
        DsnCause.GIVEN_BACK: "Lea la razón abajo, por favor, y envíe el mensaje otra vez.",
        DsnCause.REFUSED: "Lea su respuesta abajo, por favor, o contacte con el destinatario por "
        "otro medio.",
    },
    wait="No tiene que hacer nada: se seguirá intentando{until}, y se le avisará si no se "
    "consigue.",
    done="No tiene que hacer nada. Ese servidor no confirma la entrega; esto es lo último que "
    "sabrá de ello.",
    facts="Los datos, para quien se ocupa del correo:",
    recipient="Destinatario",
    answer="Respuesta de {host}",
    reason="Razón",
    subject="Asunto",
    received="Recibido",
    size="Tamaño",
    tried_until=" hasta el {until}",
    reporter="Informado por",
    attached="Lo que se devuelve de su mensaje va adjunto.",
    lost="El contenido de su mensaje se perdió aquí; por eso no se devuelve nada de él.",
)

SENTENCES: Mapping[DsnLanguage, Sentences] = {
    DsnLanguage.ENGLISH: ENGLISH,
    DsnLanguage.GERMAN: GERMAN,
    DsnLanguage.FRENCH: FRENCH,
    DsnLanguage.SPANISH: SPANISH,
}
